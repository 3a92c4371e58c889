"""A team's repository stays green: what the docs tell it to change, changed; then the tests, in that repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slipway.names import load_names
from slipway.release.manifest import ServedModel, render_model_patch
from tests.conftest import ROOT, TEMPLATE, copy_repository

FAST = [
    "tests/argo",
    "tests/image/test_block.py",
    "tests/manifests/test_platform.py",
    "tests/manifests/test_serving.py",
    "tests/release",
    "tests/search/test_collect.py",
    "tests/search/test_experiment.py",
    "tests/steps/test_platform.py",
    "tests/template/test_init.py",
    "tests/test_names.py",
    "tests/test_params.py",
    "tests/workflows/test_filters.py",
    "tests/workflows/test_policy.py",
    "tests/workflows/test_verbs.py",
]
"""What looks at the files that are changed here, and takes no minutes."""
PARAMS = {
    "split": {"validation": 1, "holdout": 2},
    "train": {"members": 2, "seed": 7, "report_every": 7, "rounds": 20, "eta": 0.2, "max_depth": 4}
    | {"min_child_weight": 5.0, "subsample": 1.0, "max_bin": 64, "grow_policy": "lossguide"},
    "report": {"drift_warning": 0.15, "drift_alert": 0.4},
    "gate": {"margin": 0.01, "confidence": 0.9, "resamples": 300, "floors": {"auc": 0.5}}
    | {"ceilings": {"logloss": 0.9, "ece": 0.5}, "slice_min_rows": 50, "slice_max_drop": 0.2, "latency_p99_ms": 250.0},
}
OWNERS = "* @contoso/data\n/k8s/ @ana @contoso/ops\n"
PROMOTED = ServedModel(
    model_uri="s3://contoso-models/mlflow/1/models/m-0a/artifacts",
    serve_image=f"ghcr.io/contoso/orders/serve@sha256:{'5' * 64}",
    version="churn/4",
    git_sha="1" * 40,
    data_md5=f"{'2' * 32}.dir",
    train_image=f"ghcr.io/contoso/orders/train@sha256:{'3' * 64}",
    experiment="tune-0123456789ab",
    registered_at="2026-01-01T00:00:00Z",
)


@pytest.mark.parametrize("path", [str(it.relative_to(TEMPLATE)) for it in TEMPLATE.rglob("*") if it.is_file()])
def test_what_the_tests_bring_is_what_the_template_has(path: str) -> None:
    """A team's file may say anything. The template's own changes with the copy in tests/fixtures/template."""
    ours = load_names(TEMPLATE / "slipway.yaml").repository
    theirs = re.search(r"^repository: *(\S+)", (ROOT / "slipway.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    assert theirs
    assert theirs[1] != ours or (ROOT / path).read_bytes() == (TEMPLATE / path).read_bytes()


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace text in a file, as a person does."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{path} has no {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def team(tmp_path: Path, small_months: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A team's repository, some months after it was made from the template."""
    folder = tmp_path / "team"
    copy_repository(folder)
    (folder / ".venv").symlink_to(sys.prefix)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    for name in ("NAME", "EMAIL"):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", "team@contoso.example")
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", "team@contoso.example")
    run("git", "init", "--quiet", "--initial-branch=main")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "From the template")
    return folder


def run(*command: str) -> str:
    """Run a command of the docs in the team's repository, with its own code."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}"
    return done.stdout


def slipway(*words: str) -> str:
    """Run a verb."""
    return run(sys.executable, "-m", "slipway", *words)


def test_a_teams_repository_is_green_after_what_the_docs_tell_it_to_change(team: Path, small_months: Path) -> None:
    # first-run.md
    buckets = ("--data", "s3://contoso-data/dvc", "--models", "s3://contoso-models/mlflow")
    ours = ("--repository", "contoso/orders", "--model", "churn", "--namespace", "production=churn-production")
    slipway("init", *ours, *buckets)
    names = team / "slipway.yaml"
    edit(names, ("[staging]", "[]"), ('"#models"', '"#churn"'))
    edit(names, ("mlflow: http://mlflow.mlops.svc.cluster.local:5000", "mlflow: https://mlflow.contoso.example"))
    (team / ".github/CODEOWNERS").write_text(OWNERS, encoding="utf-8")

    params = yaml.safe_load((team / "params.yaml").read_text(encoding="utf-8"))
    for section, values in PARAMS.items():
        assert set(values) <= set(params[section])
        params[section] |= values
    (team / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    # tune.md
    experiment = team / "k8s/katib/experiment.yaml"
    edit(experiment, ("algorithmName: tpe", "algorithmName: random"), ("maxTrialCount: 24", "maxTrialCount: 8"))
    edit(experiment, ('min: "0.02", max: "0.3"', 'min: "0.1", max: "0.5"'))
    edit(experiment, ("maxFailedTrialCount: 3", "maxFailedTrialCount: 1"), ("lelTrialCount: 2", "lelTrialCount: 4"))
    edit(experiment, ("    - name: grow_policy\n      parameterType: categorical\n", ""))
    edit(experiment, ("      feasibleSpace: {list: [depthwise, lossguide]}\n", ""))
    edit(experiment, ("      - {name: grow_policy, reference: grow_policy}\n", ""))
    edit(experiment, ("                  - --grow_policy=${trialParameters.grow_policy}\n", ""))

    # data.md
    (team / "data/flights").mkdir(parents=True, exist_ok=True)
    for month in small_months.glob("*.csv"):
        shutil.copy(month, team / "data/flights")
    run("dvc", "add", "--quiet", "data/flights")
    run("dvc", "repro", "--quiet")
    slipway("image")
    for target in ("train", "loop", "mlflow"):
        slipway("pin", "--target", target, "--digest", f"sha256:{'4' * 64}")
    assert "2013-06" in (team / "Dockerfile").read_text(encoding="utf-8")

    # ship.md
    for environment in ("staging", "production"):
        (team / f"k8s/serving/overlays/{environment}/model.yaml").write_text(render_model_patch(PROMOTED))
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "Ours")

    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *FAST],
        env=environment | {"PYTHONPATH": f"{team / 'src'}:{team}"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-12000:]
    assert re.search(r"\d{3} passed", done.stdout), "the tests were there, and ran"
