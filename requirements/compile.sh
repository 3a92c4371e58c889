#!/bin/sh
# Compiles every requirements/*.in to a hash-locked *.txt. One constraints.txt holds all versions, so that no two
# jobs disagree on any. `compile.sh --upgrade` moves them.
set -eu
cd "$(dirname "$0")"
uv=${UV:-uv}
lock() { "$uv" pip compile --quiet --no-header --no-emit-index-url --no-annotate --python-version 3.11 "$@"; }
lock --override overrides.txt base.in train.in serve.in loop.in mlflow.in ci.in dev.in -o constraints.txt "$@"
for job in train serve loop mlflow ci dev; do
    lock --override overrides.txt --generate-hashes -c constraints.txt "$job.in" -o "$job.txt"
done
# A person's plain `pip install` needs the whole closure, so here nothing is left out.
lock --generate-hashes -c constraints.txt base.in -o ../requirements.txt
lock --generate-hashes uv.in -o uv.txt
# Seldon's wrapper agrees with nothing else here.
lock --generate-hashes graph.in -o graph.txt "$@"
# Nor do the callers and the server of other makers that tests/serving/test_clients.py runs.
lock --generate-hashes clients.in -o clients.txt "$@"
lock --override overrides.txt --override mlserver-overrides.txt --generate-hashes mlserver.in -o mlserver.txt "$@"
