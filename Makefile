# The one vocabulary: people, CI and the docs all use these words. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
DATA = $(shell awk '/^folder:/ {print $$2}' slipway.yaml)
PYTHON := $(VENV)/bin/python
export PYTHONPATH := src
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements/dev.txt requirements/uv.txt
	@command -v python3.11 >/dev/null || { echo "slipway needs Python 3.11: install python3.11 and python3.11-venv."; exit 1; }
	python3.11 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) --no-deps --require-hashes --compile-bytecode -r requirements/dev.txt
	@echo "$(CURDIR)/src" > $(VENV)/lib/python3.11/site-packages/slipway.pth
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready  ## make .venv with every tool, pinned by hash

.PHONY: data
data: setup  ## make the sample months, January to May, byte for byte
	$(PYTHON) -m slipway data make
	$(PYTHON) -m slipway data check

.PHONY: demo
demo: setup  ## the whole loop in a scratch folder; then open build/demo/index.html
	$(PYTHON) -m slipway demo

.PHONY: repro
repro: setup  ## run what changed of dvc.yaml
	$(VENV)/bin/dvc repro

.PHONY: serve
serve: models/current  ## answer requests with models/current on port 8080
	$(PYTHON) -m slipway serve --model models/current --compile

models/current: | setup
	@compgen -G '$(DATA)/*' >/dev/null || $(PYTHON) -m slipway data make  # yours are not mixed with the sample's
	$(PYTHON) -m slipway prepare
	$(PYTHON) -m slipway train --final --out models/current

.PHONY: load
load: setup  ## send real rows to the server on port 8080; then open build/load/report.html
	$(PYTHON) -m slipway load

.PHONY: bench-serving
bench-serving: models/current  ## the server beside its peers, in some ten minutes; needs wrk and Go
	$(PYTHON) -m benchmarks.serving

.PHONY: test
test: setup  ## every test that needs no cluster
	$(VENV)/bin/pytest -n 2

.PHONY: cluster-test
cluster-test: setup  ## the tests on a real cluster, which this machine starts, as root; or the one of KUBECONFIG
	$(VENV)/bin/pytest tests/cluster

.PHONY: cluster-build
cluster-build: setup  ## build what the cluster runs, which cluster-test would do as well
	@$(PYTHON) -m tests.cluster build

.PHONY: cluster-up
cluster-up: setup  ## start that cluster and leave it there, to look at by hand
	@$(PYTHON) -m tests.cluster up

.PHONY: cluster-down
cluster-down: setup  ## end it and remove all of it
	@$(PYTHON) -m tests.cluster down

.PHONY: bench
bench: setup  ## measure what docs/benchmarks.md shows
	$(PYTHON) -m benchmarks.trial
	$(PYTHON) -m benchmarks.growth
	$(PYTHON) -m benchmarks.image

.PHONY: lint
lint: setup  ## style, types, YAML, Dockerfile, shell, workflows, secrets
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo 2>&1
	$(VENV)/bin/yamllint --strict .
	$(VENV)/bin/hadolint Dockerfile .github/smoke/Dockerfile k8s/serving/overlays/graph/Dockerfile
	$(VENV)/bin/shellcheck --shell=sh requirements/compile.sh
	$(VENV)/bin/actionlint
	$(VENV)/bin/zizmor --quiet --offline --no-progress .github
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(VENV)/bin/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yaml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yaml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(VENV)/bin/betterleaks git . --ignore-file .github/betterleaks-ignore --log-level warn --log-opts HEAD
	$(VENV)/bin/shellcheck .ci/run .ci/base-image

.PHONY: format
format: setup  ## format the code
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format .

.PHONY: lock
lock: setup  ## compile requirements/*.in to hash-locked *.txt
	UV=$(CURDIR)/$(VENV)/bin/uv sh requirements/compile.sh

.PHONY: clean
clean:  ## remove what make built, but not the data
	rm -rf build .pytest_cache .mypy_cache .ruff_cache data/prepared models/*
