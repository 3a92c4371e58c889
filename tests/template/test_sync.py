"""slipway sync, on two clones: the template moves on, a team has its own, and each keeps what is its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.__main__ import main

NAMES = """\
model: parcel-delay
folder: data/parcels
repository: the-org/the-template
images:
  train: ghcr.io/the-org/the-template/train
storage:
  data: s3://slipway-data/dvc
  models: s3://slipway-models/mlflow
  artifacts: s3://slipway-artifacts/workflows
namespaces:
  trials: slipway-trials
  workflows: slipway-workflows
  staging: slipway-staging
  production: slipway-production
  platform: mlops
"""
LINES = "".join(f"line {number}\n" for number in range(1, 10))
FILES = {
    "slipway.yaml": NAMES,
    "params.yaml": "train: {eta: 0.1}\n",
    "Makefile": LINES,
    "src/slipway/gate.py": LINES,
    "src/slipway/report.py": LINES,
    "src/slipway/old.py": "gone tomorrow\n",
    "src/slipway/unused.py": "the team has no use for it\n",
    "src/slipway/model/problem.py": "PROBLEM = parcels\n",
    "tests/yours/test_parcels.py": "def test_parcels(): ...\n",
    "k8s/serving/base/deployment.yaml": "kind: Deployment\nname: parcel-delay\n",
    "k8s/serving/overlays/production/model.yaml": "serves: nothing\n",
    "k8s/katib/experiment.yaml": "image: ghcr.io/the-org/the-template/train\n",
    ".github/workflows/ci.yaml": "name: ci\n",
    "dvc.yaml": "deps: [data/parcels]\n",
}


def git(at: Path, *words: str) -> str:
    who = ["-c", "user.name=s", "-c", "user.email=s@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *who, *words], cwd=at, check=True, capture_output=True, text=True).stdout.strip()


def put(at: Path, files: dict[str, str], message: str) -> str:
    for name, text in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(text, encoding="utf-8")
    git(at, "add", "--all")
    git(at, "commit", "--quiet", "-m", message)
    return git(at, "rev-parse", "HEAD")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    git(folder, "init", "--quiet")
    put(folder, FILES, "The template")
    return folder


@pytest.fixture
def team(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made by "Use this template": the same files in one commit of its own, then its names, its model, its changes."""
    folder = tmp_path / "team"
    folder.mkdir()
    git(folder, "init", "--quiet")
    put(folder, FILES, "Initial commit")
    monkeypatch.chdir(folder)
    assert main(["init", "--repository", "acme/churn", "--model", "churn", "--data-folder", "customers"]) == 0
    (folder / "src/slipway/unused.py").unlink()
    ours = {
        "src/slipway/model/problem.py": "PROBLEM = customers\n",
        "params.yaml": "train: {eta: 0.3}\n",
        "src/slipway/gate.py": LINES.replace("line 1\n", "our line 1\n"),
        "src/slipway/report.py": LINES.replace("line 5\n", "our line 5\n"),
        "k8s/serving/overlays/production/model.yaml": "serves: churn/3\n",
    }
    put(folder, ours, "Ours")
    return folder


@pytest.fixture
def moves_on(template: Path) -> str:
    """The template's next commit."""
    (template / "src/slipway/old.py").unlink()
    new = {
        "Makefile": LINES.replace("line 3", "better line 3"),
        "src/slipway/gate.py": LINES.replace("line 9", "better line 9"),
        "src/slipway/report.py": LINES.replace("line 5", "better line 5"),
        "src/slipway/new.py": "# new\n",
        "src/slipway/unused.py": "better\n",
        "src/slipway/model/problem.py": "PROBLEM = better_parcels\n",
        "params.yaml": "train: {eta: 0.1, max_bin: 64}\n",
        "tests/yours/test_parcels.py": "def test_better_parcels(): ...\n",
        "k8s/serving/base/deployment.yaml": FILES["k8s/serving/base/deployment.yaml"]
        + "image: ghcr.io/the-org/the-template/serve\n",
        "k8s/serving/overlays/production/model.yaml": "serves: nothing yet\n",
        ".github/workflows/ci.yaml": "name: ci\non: push\n",
    }  # fmt: skip
    return put(template, new, "Better")


def text(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def test_what_the_template_learnt_is_taken_and_what_is_yours_stays(
    team: Path, template: Path, moves_on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: text(name) for name in ("params.yaml", "slipway.yaml", "tests/yours/test_parcels.py", "dvc.yaml")}
    assert main(["sync", "--from", str(template), "--out", "build/sync.md"]) == 0
    said = capsys.readouterr().out
    assert text("Makefile") == LINES.replace("line 3", "better line 3"), "only the template changed it"
    assert text("src/slipway/gate.py") == LINES.replace("line 1\n", "our line 1\n").replace("line 9", "better line 9")
    assert text("src/slipway/new.py") == "# new\n" and not Path("src/slipway/old.py").exists()
    assert text(".github/workflows/ci.yaml") == "name: ci\non: push\n"
    deployment = "kind: Deployment\nname: churn\nimage: ghcr.io/acme/churn/serve\n"
    assert text("k8s/serving/base/deployment.yaml") == deployment, "with this repository's names"
    assert text("src/slipway/model/problem.py") == "PROBLEM = customers\n"
    assert text("k8s/serving/overlays/production/model.yaml") == "serves: churn/3\n"
    assert {name: text(name) for name in before} == before
    assert text("src/slipway/report.py") == LINES.replace("line 5\n", "our line 5\n")
    assert (
        "- `src/slipway/report.py`: you and the template changed the same lines." in said and "+better line 5" in said
    )
    assert "- `src/slipway/unused.py`: you removed it, and the template changed it." in said
    assert not Path("src/slipway/unused.py").exists()
    assert text("build/sync.md") == said.removesuffix("\n") and f"commit: {moves_on}" in text(".template.yaml")
    staged = git(team, "diff", "--cached", "--name-only").split()
    assert ".template.yaml" in staged and "src/slipway/new.py" in staged, "what `propose` then proposes"


def test_a_second_time_goes_on_from_there(
    team: Path, template: Path, moves_on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sync", "--from", str(template)]) == 0
    put(team, {}, "What the template has learnt")
    assert main(["sync"]) == 0
    assert "Nothing to take:" in capsys.readouterr().out
    assert git(team, "status", "--porcelain") == ""
    put(template, {"Makefile": LINES.replace("line 3", "best line 3")}, "Best")
    assert main(["sync"]) == 0
    assert "best line 3" in text("Makefile")
    assert git(team, "diff", "--cached", "--name-only").split() == [".template.yaml", "Makefile"], "nothing else again"


def test_a_workflow_leaves_workflows_to_a_person_who_gets_them_later(
    team: Path, template: Path, moves_on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sync", "--from", str(template), "--without-workflows"]) == 0
    assert text(".github/workflows/ci.yaml") == "name: ci\n"
    assert "no workflow may write them" in capsys.readouterr().out
    put(team, {}, "What the template has learnt")
    assert main(["sync"]) == 0
    assert text(".github/workflows/ci.yaml") == "name: ci\non: push\n"


def test_a_clone_of_the_template_shares_its_history(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "--quiet", str(template), "cloned")
    put(tmp_path / "cloned", {"src/slipway/report.py": "ours\n"}, "Ours")
    put(template, {"Makefile": "better\n"}, "Better")
    monkeypatch.chdir(tmp_path / "cloned")
    assert main(["sync", "--from", str(template)]) == 0
    assert (text("Makefile"), text("src/slipway/report.py")) == ("better\n", "ours\n")


@pytest.mark.parametrize(
    ("spoil", "flags", "said"),
    [
        (lambda team: None, [], "--from says where the template is"),
        (lambda team: None, ["--from", "nowhere/at/all"], "`git fetch"),
        (lambda team: (team / "Makefile").write_text("dirty\n"), ["--from", "TEMPLATE"], "the work tree has changes"),
        (lambda team: None, ["--from", "TEMPLATE", "--base", "0" * 40], "is no commit of the template's"),
        (lambda team: git(team, "commit", "--amend", "--quiet", "-m", "other"), ["--from", "TEMPLATE", "--ref", "v9"],
         "`git fetch"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_sentence_and_nothing_is_changed(
    spoil: Callable[[Path], object], flags: list[str], said: str, team: Path, template: Path, moves_on: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    spoil(team)
    before = git(team, "status", "--porcelain")
    assert main(["sync", *(str(template) if flag == "TEMPLATE" else flag for flag in flags)]) == 2
    assert said in capsys.readouterr().err and git(team, "status", "--porcelain") == before


def test_a_repository_that_began_otherwise_says_from_which_commit(
    team: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base, folder = git(template, "rev-parse", "HEAD"), tmp_path / "other"
    folder.mkdir()
    git(folder, "init", "--quiet")
    put(folder, FILES | {"LICENSE": "ours\n"}, "We began with a licence")
    put(template, {"Makefile": "better\n"}, "Better")
    monkeypatch.chdir(folder)
    assert main(["sync", "--from", str(template)]) == 2
    assert "give --base SHA, the template's commit that yours was made from" in capsys.readouterr().err
    assert main(["sync", "--from", str(template), "--base", base]) == 0
    assert text("Makefile") == "better\n" and text("LICENSE") == "ours\n"
