"""The images, run for real: as a cluster would, without network, rights or a writable root."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from benchmarks.engine import Engine

from tests.image.conftest import wait_for

pytestmark = pytest.mark.docker

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [\w-]+=(\S+)")
POD = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
AS_A_POD = ["run", "--rm", "--network=none", *POD]
QUICK = ["--rounds", "5", "--members", "1"]


def test_a_trial_prints_its_metrics_and_nothing_else(engine: Engine, image: str) -> None:
    trial = engine(*AS_A_POD, image, "python", "-m", "slipway", "train", *QUICK)
    lines = trial.stdout.splitlines()
    values = [LINE.fullmatch(line) for line in lines]
    assert all(values), trial.stdout
    assert all(math.isfinite(float(value[1])) for value in values if value)
    assert {line.split()[1].split("=")[0] for line in lines} == {
        f"validation-{name}" for name in ("auc", "logloss", "brier", "ece")
    }
    assert trial.stderr == ""


def test_the_trials_metrics_are_those_of_this_machine(engine: Engine, image: str, pushed: Path) -> None:
    here = subprocess.run(
        ["python", "-m", "slipway", "train", *QUICK], cwd=pushed, capture_output=True, text=True, check=True
    )
    there = engine(*AS_A_POD, image, "python", "-m", "slipway", "train", *QUICK)
    assert [line.split()[1] for line in there.stdout.splitlines()] == [
        line.split()[1] for line in here.stdout.splitlines()
    ]


def test_a_bad_trial_ends_with_a_code_and_a_sentence(engine: Engine, image: str) -> None:
    trial = engine(*AS_A_POD, image, "python", "-m", "slipway", "train", "--eta", "7", check=False)
    assert (trial.returncode, trial.stdout) == (2, "")
    assert "eta" in trial.stderr and "Traceback" not in trial.stderr


def test_a_candidate_can_be_saved_and_read_again(engine: Engine, image: str) -> None:
    train = f"python -m slipway train --final --out models/challenger {' '.join(QUICK)}"
    read = "from pathlib import Path; import slipway.learning.ensemble as e; e.load_ensemble(Path('models/challenger'))"
    engine("run", "--rm", "--network=none", image, "sh", "-c", f'{train} && python -c "{read}"')


@pytest.mark.parametrize("target", ["train", "serve", "loop"])
def test_the_user_has_a_number_and_no_rights(engine: Engine, image: str, pushed: Path, target: str) -> None:
    tag = engine.build(pushed, target, f"slipway-test:{target}")
    config = json.loads(engine("image", "inspect", "--format", "{{json .Config}}", tag).stdout)
    assert config["User"] == "10001:10001"  # runAsNonRoot can only be checked for a number
    assert config["Cmd"][:3] == ["python", "-m", "slipway"]
    assert "OMP_WAIT_POLICY=PASSIVE" in config["Env"]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    script = (
        "id -u; find /app -path /app/build -prune -o -type f -writable -print; touch /app/x 2>/dev/null && echo wrote"
    )
    assert engine("run", "--rm", "--network=none", tag, "sh", "-c", f"{script}; true").stdout == "10001\n"


def test_the_serve_image_holds_no_data(engine: Engine, pushed: Path) -> None:
    tag = engine.build(pushed, "serve", "slipway-test:serve")
    found = engine("run", "--rm", "--network=none", tag, "find", "/app", "-not", "-path", "/app/src*", "-type", "f")
    assert found.stdout == ""


def test_the_serve_image_is_small_and_holds_nothing_that_learns_or_is_a_teams(engine: Engine, pushed: Path) -> None:
    """A new replica waits for what its node must fetch; and S3 is still reached with what is left of its client."""
    tag = engine.build(pushed, "serve", "slipway-test:serve")
    base = next(line.split()[1] for line in (pushed / "Dockerfile").read_text().splitlines() if line[:5] == "FROM ")
    size, below = (int(engine("image", "inspect", "--format", "{{.Size}}", it).stdout) for it in (tag, base))
    assert size - below <= 180e6
    rooms = engine(*AS_A_POD, tag, "sh", "-c", "ls -d src/slipway/*/").stdout.split()
    assert {Path(room).name for room in rooms} - {"__pycache__"} == {"problem", "serving"}
    clients = "import boto3; [boto3.client(name, region_name='eu-west-1') for name in ('s3', 'sts')]"
    engine(*AS_A_POD, tag, "python", "-c", clients)
    for verb, lacks in (("train", "slipway.learning"), ("gate", "slipway.gate")):
        ended = engine(*AS_A_POD, tag, "python", "-m", "slipway", verb, check=False)
        assert (ended.returncode, ended.stderr) == (
            2, f"slipway {verb}: this verb needs {lacks}, which is not installed here.\n"
        )  # fmt: skip


def test_the_loop_image_holds_names_and_code_and_nothing_that_learns(engine: Engine, pushed: Path) -> None:
    tag = engine.build(pushed, "loop", "slipway-test:loop")
    found = engine("run", "--rm", "--network=none", tag, "find", "/app", "-not", "-path", "/app/src*", "-type", "f")
    assert found.stdout.split() == ["/app/slipway.yaml"]
    script = (
        "python -m slipway plan --help && python -m slipway answer --help && gh --version && "
        "python -c 'import kubernetes, slack_sdk' && ! python -c 'import xgboost' 2>/dev/null"
    )
    assert "gh version" in engine(*AS_A_POD, tag, "sh", "-c", script).stdout


def test_the_mlflow_image_answers_as_a_pod_would_run_it(engine: Engine, pushed: Path) -> None:
    tag = engine.build(pushed, "mlflow", "slipway-test:mlflow")
    config = json.loads(engine("image", "inspect", "--format", "{{json .Config}}", tag).stdout)
    assert config["User"] == "10001:10001" and "MLFLOW_DISABLE_TELEMETRY=true" in config["Env"]
    needed = engine(*AS_A_POD, tag, "python", "-c", "import psycopg, boto3, mlflow.server.auth; print('all')")
    assert needed.stdout.endswith("all\n"), "PostgreSQL's client, S3's, and the application that asks for a user"
    container = engine("run", *POD, "--detach", "--publish=127.0.0.1::5000", tag).stdout.strip()
    try:
        wait_for(engine, container, f"http://{engine('port', container, '5000').stdout.split()[0]}/health")
    finally:
        engine("rm", "--force", container)


@pytest.fixture(scope="module")
def server(
    engine: Engine, pushed: Path, small_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the serve image, its default command run as a pod would, a compiled model mounted."""
    from slipway.learning.compile import compile_ensemble

    model = tmp_path_factory.mktemp("mounted") / "model"
    shutil.copytree(small_repository / "models/current", model)
    compile_ensemble(model)
    tag = engine.build(pushed, "serve", "slipway-test:serve")
    mounted = [f"--volume={model}:/mnt/models:ro", "--publish=127.0.0.1::8080"]
    container = engine("run", *POD, "--detach", *mounted, tag).stdout.strip()
    try:
        address = f"http://{engine('port', container, '8080').stdout.split()[0]}"
        wait_for(engine, container, f"{address}/v2/health/ready")
        yield address
        engine("stop", "--time", "20", container)
        assert engine("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip() == "0"
    finally:
        engine("rm", "--force", container)


def test_the_serve_image_answers_as_the_model_does_here(server: str, small_repository: Path) -> None:
    golden = json.loads((small_repository / "models/current/golden.json").read_text())
    request = urllib.request.Request(
        f"{server}/predict", json.dumps({"rows": golden["rows"]}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answers = json.load(response)["probabilities"]
    assert np.allclose(answers, golden["answers"], atol=1e-5)
