"""Which push starts which workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflows.filters import matches, starts, starts_for_tag

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github/workflows"


def triggers(workflow: str) -> dict[str, Any]:
    """The `on:` of a workflow, which YAML 1.1 reads as true."""
    on: dict[str, Any] = yaml.safe_load((WORKFLOWS / f"{workflow}.yaml").read_text(encoding="utf-8"))[True]
    return on


@pytest.mark.parametrize(
    ("pattern", "name", "passes"),
    [
        ("*", "main", True),
        ("*", "data/june", False),
        ("**", "data/june", True),
        ("data/**.dvc", "data/flights.dvc", True),
        ("data/**.dvc", "data/raw/flights.dvc", True),
        ("data/**.dvc", "data/flights/2013-06.csv", False),
        ("dvc.lock", "other/dvc.lock", False),
        ("v[12].[0-9]+", "v1.10", True),
        ("*.jsx?", "page.js", True),
        ("src/slipway/model/**", "src/slipway/model/features.py", True),
        ("src/slipway/model/**", "src/slipway/models.py", False),
    ],
)
def test_patterns_as_github_documents_them(pattern: str, name: str, passes: bool) -> None:
    assert matches([pattern], name) is passes


@pytest.mark.parametrize(
    ("branch", "files", "begins"),
    [
        ("data/june", ["data/flights.dvc"], True),
        ("data/june", ["data/raw/weather.dvc"], True),
        ("june", ["README.md", "dvc.lock"], True),
        ("eta", ["params.yaml"], True),
        ("stages", ["dvc.yaml"], True),
        ("features", ["src/slipway/model/features.py"], True),
        ("training", ["src/slipway/learning/train.py"], True),
        ("libraries", ["requirements/train.txt"], True),
        ("docs", ["docs/data.md", "README.md"], False),
        ("shared", ["src/slipway/params.py"], True),
        ("loop", ["src/slipway/report/report.py"], False),
        ("serve", ["k8s/serving/overlays/production/model.yaml"], False),
        ("main", ["data/flights.dvc"], False),
        ("slipway/data/june", ["dvc.lock"], False),
        ("slipway/promote-production", ["params.yaml"], False),
        ("slipways", ["params.yaml"], True),
    ],
)
def test_which_pushes_start_data_pushed(branch: str, files: list[str], begins: bool) -> None:
    assert starts(triggers("data-pushed")["push"], branch, files) is begins


@pytest.mark.parametrize(
    ("branch", "files", "begins"),
    [
        ("main", ["k8s/serving/overlays/production/model.yaml"], True),
        ("main", ["k8s/serving/overlays/staging/model.yaml"], False),  # or the alias would go back to production's
        ("main", ["k8s/katib/experiment.yaml"], False),
        ("slipway/promote-production", ["k8s/serving/overlays/production/model.yaml"], False),
    ],
)
def test_which_pushes_start_rollback(branch: str, files: list[str], begins: bool) -> None:
    assert starts(triggers("rollback")["push"], branch, files) is begins


@pytest.mark.parametrize(
    ("branch", "files", "begins"),
    [
        ("main", ["src/slipway/serving/app.py"], True),
        ("main", ["requirements/serve.txt"], True),
        ("main", ["requirements/loop.txt"], True),
        ("main", ["requirements/mlflow.txt"], True),
        ("main", ["argo/workflows/kustomization.yaml"], False),  # its own pull request
        ("main", ["Dockerfile"], True),
        ("main", ["requirements/train.txt", "data/flights.dvc"], False),
        ("feature", ["src/slipway/serving/app.py"], False),
    ],
)
def test_which_pushes_start_serve_image(branch: str, files: list[str], begins: bool) -> None:
    assert starts(triggers("serve-image")["push"], branch, files) is begins


@pytest.mark.parametrize(("tag", "begins"), [("v0.2.0", True), ("v1", True), ("data-june", False)])
def test_a_tag_starts_template_release_and_nothing_else(tag: str, begins: bool) -> None:
    started = {
        path.stem
        for path in WORKFLOWS.glob("*.yaml")
        if "push" in triggers(path.stem) and starts_for_tag(triggers(path.stem)["push"], tag)
    }
    assert started == ({"template-release"} if begins else set())
    assert not starts(triggers("template-release")["push"], "main", ["README.md"])


def test_every_pull_request_starts_ci_so_that_a_required_check_never_waits() -> None:
    assert "paths" not in (triggers("ci")["pull_request"] or {})
    assert triggers("ci")["push"] == {"branches": ["main"]}


def test_report_and_data_pushed_look_at_the_same_inputs() -> None:
    from slipway.learning.provenance import STAGES, code_of
    from slipway.release.pin import inputs

    paths = triggers("report")["pull_request"]["paths"]
    assert paths == triggers("data-pushed")["push"]["paths"]
    code = [*map(str, code_of(*STAGES.values())), "src/slipway/model/a.py"]
    unseen = [path for path in ["data/x.dvc", *inputs(), *code] if not matches(paths, path.replace("*", "x"))]
    assert unseen == [], "add it to paths in data-pushed.yaml and report.yaml: a push of it changes the model"
