"""The loop's verbs, each a process, against MLflow on PostgreSQL and S3; then the promoted model answers from S3.

The verbs know the MLflow server and a password for it, the model server knows the storage: neither has both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from slipway.names import load_names
from slipway.serving.served import served
from tests.conftest import TEMPLATE
from tests.services.conftest import STORAGE
from tests.services.mlflow_server import MlflowServer
from tests.services.s3 import S3
from tests.services.small_model import AUTHOR, COMMIT, SmallModel, plain_environment

pytestmark = pytest.mark.services

NAME = load_names(TEMPLATE / "slipway.yaml").model
MANIFEST = "k8s/serving/overlays/production/model.yaml"


@dataclass
class Clone:
    """A clone of the repository with a small model, and somebody in it who may use the MLflow server."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=180)

    def do(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def slipway(self, *words: str) -> str:
        return self.do(sys.executable, "-m", "slipway", *words)

    def commit(self, message: str) -> None:
        self.do("git", *AUTHOR, "commit", "--quiet", "-am", message)


@pytest.fixture(scope="module")
def clone(mlflow_server: MlflowServer, small_model: SmallModel) -> Clone:
    return Clone(small_model.wait(), plain_environment() | mlflow_server.env)


@pytest.fixture(scope="module")
def promoted(clone: Clone) -> str:
    """Registered, through the gate, promoted and committed; gives the address of the manifest."""
    registered = clone.slipway("register", "--model", "build/model")
    assert registered.startswith(f"{NAME}/1  challenger")
    clone.slipway("gate", "--set-champion")
    clone.slipway("promote", "--env", "production")
    clone.slipway("promotion", "--env", "production")
    assert clone.do("git", "status", "--porcelain") == f" M {MANIFEST}\n"
    clone.commit("Production serves the first model")
    return yaml.safe_load((clone.folder / MANIFEST).read_text())["spec"]["modelUri"]


def test_what_is_promoted_is_an_address_in_the_bucket(promoted: str) -> None:
    assert promoted.startswith(f"{STORAGE.models}/")


def test_the_chain_leads_back_to_the_commit_and_the_data(clone: Clone, promoted: str) -> None:
    links = {link["name"]: link for link in json.loads(clone.slipway("trace", "production", "--json"))}
    assert not any(link["broken"] for link in links.values())
    assert links["served from"]["value"] == promoted
    assert links["version"]["value"].startswith(f"{NAME}/1 (challenger, champion), gate passed")
    assert clone.do("git", "rev-parse", "--short", "HEAD~1").strip() in links["code"]["value"]
    assert COMMIT in links["data"]["value"]


def test_the_gates_decision_reaches_the_promotions_report(clone: Clone, promoted: str) -> None:
    report = (clone.folder / "build/promotion/report.md").read_text(encoding="utf-8")
    decision = (clone.folder / "build/gate/decision.md").read_text(encoding="utf-8")
    assert decision.startswith(f"## Passed: {NAME}/1 with no champion to beat")
    assert f"#{decision}" in report
    assert report.count("WARNING") == 1 and "names no server's image yet" in report


def test_the_promoted_model_answers_from_the_bucket(
    clone: Clone, promoted: str, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (plain_environment() | s3.env).items():
        monkeypatch.setenv(name, value)
    golden = json.loads((clone.folder / "build/model/golden.json").read_text())
    with served(promoted, NAME, tmp_path / "server.log") as address:
        request = urllib.request.Request(
            f"{address}/predict", json.dumps({"rows": golden["rows"]}).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            probabilities = json.load(answer)["probabilities"]
    assert np.abs(np.array(probabilities) - golden["answers"]).max() < 1e-5


def test_a_verb_without_a_password_says_what_to_set(clone: Clone, mlflow_server: MlflowServer) -> None:
    env = plain_environment() | {"MLFLOW_TRACKING_URI": mlflow_server.uri}
    refused = Clone(clone.folder, env).run(sys.executable, "-m", "slipway", "trace", f"{NAME}@champion")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "refuses your credentials" in refused.stderr
    assert "Traceback" not in refused.stderr
