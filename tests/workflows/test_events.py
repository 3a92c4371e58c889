"""Every event that starts a workflow is run by act in some test, with what the workflow needs and without it.

A test says so with `@pytest.mark.runs(workflow, event, WITH or WITHOUT)`, and conftest.py fails a test that did not
make a green run of what it says. So a workflow or an event that somebody adds fails here until a test runs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import yaml

from tests.workflows.conftest import ROOT, WITH, WITHOUT

_NEEDS = "./.github/actions/needs"


_ON_GITHUB_ALONE = {"cluster"}
"""What act cannot run: kind starts a Kubernetes in Docker. tests/cluster runs the same tests on another one."""


def events() -> Iterator[tuple[str, str, str]]:
    """Every workflow and event there is; WITHOUT only where the workflow asks for settings, names or the template."""
    for path in sorted((ROOT / ".github/workflows").glob("*.y*ml")):
        if path.stem in _ON_GITHUB_ALONE:
            continue
        text = path.read_text(encoding="utf-8")
        on: Any = yaml.safe_load(text)[True]  # YAML 1.1 reads `on` as true
        for event in [on] if isinstance(on, str) else on:
            yield path.stem, event, WITH
            if _NEEDS in text:
                yield path.stem, event, WITHOUT


def claims() -> Iterator[tuple[str, str, str]]:
    """What the tests beside this one say they run."""
    for path in sorted((ROOT / "tests/workflows").glob("test_*.py")):
        module = importlib.import_module(f"tests.workflows.{path.stem}")
        for name, test in vars(module).items():
            if not name.startswith("test_"):
                continue
            for mark in getattr(test, "pytestmark", []):
                if mark.name == "runs":
                    yield mark.args
                if mark.name == "parametrize":
                    parameters = (each for each in mark.args[1] if hasattr(each, "marks"))
                    yield from (inner.args for each in parameters for inner in each.marks if inner.name == "runs")


def test_every_event_of_every_workflow_is_run_by_act() -> None:
    there, run = set(events()), set(claims())
    assert sorted(there - run) == [], "no test runs these: write one, and mark it"
    assert sorted(run - there) == [], "no workflow has these: take the mark away"
