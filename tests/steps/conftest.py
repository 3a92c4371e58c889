"""A repository on the stand-in for GitHub, a Slack and a cluster's API: what the steps meet, without a node."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.release.pin import inputs_hash, pinned
from tests.standins.kube import Kube, log_in
from tests.standins.slack import TOKEN, Slack
from tests.workflows.github.server import APP_TOKEN, Stand, State

NAME = "acme/numbers"
DIGEST = "sha256:" + "ab" * 32
NAMES = {
    "model": "numbers",
    "folder": "data/numbers",
    "repository": NAME,
    "images": {name: f"ghcr.io/acme/numbers/{name}" for name in ("train", "serve", "loop", "mlflow")},
    "storage": {"data": "s3://acme/dvc", "models": "s3://acme/mlflow", "artifacts": "s3://acme/workflows"},
    "mlflow": "http://mlflow.example:5000",
    "namespaces": {name: f"slipway-{name}" for name in ("trials", "workflows", "staging", "production", "platform")},
    "slack": {"channel": "#models"},
}
CONTAINER = {
    "name": "trial",
    "image": f"ghcr.io/acme/numbers/train@{DIGEST}",
    "command": ["python", "-m", "slipway", "train"],
    "args": ["--x=${trialParameters.x}"],
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
}
EXPERIMENT: dict[str, Any] = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "tune", "namespace": "slipway-trials"},
    "spec": {
        "objective": {"type": "maximize", "objectiveMetricName": "score"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 2,
        "maxTrialCount": 6,
        "maxFailedTrialCount": 2,
        "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
        "metricsCollectorSpec": {"collector": {"kind": "StdOut"}},
        "trialTemplate": {
            "primaryContainerName": "trial",
            "trialParameters": [{"name": "x", "reference": "x"}],
            "trialSpec": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {
                    "activeDeadlineSeconds": 600,
                    "template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}},
                },
            },
        },
    },
}


def experiment_image(experiment: dict[str, Any]) -> str:
    """The image that an experiment's trials run in."""
    pod = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    image: str = pod["containers"][0]["image"]
    return image


@dataclass
class Team:
    """A team's repository, its work tree and what GitHub remembers of it."""

    folder: Path
    github: Stand
    state: State

    def git(self, *words: str) -> str:
        """Git, in the work tree."""
        command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Give a file this content."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text, encoding="utf-8")

    def pin(self, experiment: dict[str, Any] = EXPERIMENT) -> None:
        """Write the experiment with the inputs as they are noted in it."""
        image, _, digest = experiment_image(experiment).partition("@")
        text = yaml.safe_dump(experiment, sort_keys=False)
        self.write("k8s/katib/experiment.yaml", pinned(text, image, digest, inputs_hash(self.folder)))

    def merge(self, message: str) -> str:
        """Commit what there is to main and push it; the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.git("push", "--quiet", "--force", str(self.github.git_folder(NAME)), "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def pull(self, sha: str, number: int = 7) -> None:
        """A pull request whose merge is this commit."""
        merged = {"merge_commit_sha": sha, "merged_at": "2026-06-01T10:00:00Z", "state": "closed"}
        words = {"number": number, "title": "June", "body": "", "head": "data/june", "base": "main", "by": APP_TOKEN}
        self.state.pulls[number] = words | merged


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The stand-in for GitHub."""
    with Stand(tmp_path_factory.mktemp("github")) as stand:
        yield stand


@pytest.fixture
def team(github: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A repository with one searched commit on main, and a step's environment."""
    folder = github.git_folder(NAME)
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    state = github.repository(NAME)
    work = tmp_path / "work"
    work.mkdir()
    made = Team(work, github, state)
    made.git("init", "--quiet", "--initial-branch=main")
    made.write("slipway.yaml", yaml.safe_dump(NAMES))
    made.write("data/numbers.dvc", "outs:\n- md5: aa\n")
    made.write("dvc.yaml", "stages: {}\n")
    made.write("params.yaml", PARAMS)
    for stage in ("prepare", "train"):
        made.write(f"src/slipway/learning/{stage}.py", "from slipway.model import features\n")
    made.write("src/slipway/model/features.py", "NAMES = ()\n")
    made.pin()
    pod = tmp_path / "pod"
    pod.mkdir()
    (pod / "slipway.yaml").write_text(yaml.safe_dump(NAMES), encoding="utf-8")
    monkeypatch.chdir(pod)
    settings = {"GITHUB_TOKEN": APP_TOKEN, "GITHUB_SERVER_URL": github.url, "SSL_CERT_FILE": str(github.certificate)}
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    for key in ("REPO_TOKEN", "GH_TOKEN", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setattr("slipway.github.github._PAUSES", (0, 0, 0))
    yield made
    assert not state.violations, state.violations


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    """The stand-in for Slack, and a bot's token."""
    with Slack() as stand:
        monkeypatch.setenv("SLACK_API_URL", stand.url)
        monkeypatch.setenv("SLACK_TOKEN", TOKEN)
        yield stand
        assert not stand.workspace.violations, stand.workspace.violations


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kube]:
    """The stand-in for the cluster's API, and a login."""
    with Kube() as stand:
        log_in(tmp_path, monkeypatch, stand.server.server_port)
        yield stand


PARAMS = """
split: {validation: 1, holdout: 1}
train: {members: 2, seed: 1, report_every: 5, rounds: 10, eta: 0.1, max_depth: 3, min_child_weight: 1.0, subsample: 1.0,
  colsample_bytree: 1.0, reg_lambda: 1.0, max_bin: 64, grow_policy: depthwise}
report: {drift_warning: 0.1, drift_alert: 0.25}
gate: {margin: 0.0, confidence: 0.95, resamples: 100, floors: {auc: 0.5},
  ceilings: {logloss: 1.0, ece: 1.0}, slice_min_rows: 100, slice_max_drop: 0.1, latency_p99_ms: 100.0}
"""
