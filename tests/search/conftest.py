"""Searches whose trials are a line of shell, so that dozens run in a second."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.__main__ import main

BASE: dict[str, Any] = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "try", "namespace": "trials"},
    "spec": {
        "objective": {"type": "maximize", "objectiveMetricName": "auc"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 1,
        "maxTrialCount": 4,
        "parameters": [
            {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.9"}},
        ],
        "trialTemplate": {
            "primaryContainerName": "trial",
            "trialParameters": [{"name": "x", "reference": "x"}],
            "trialSpec": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {
                    "backoffLimit": 0,
                    "template": {
                        "spec": {
                            "restartPolicy": "Never",
                            "containers": [
                                {
                                    "name": "trial",
                                    "image": "registry.example/train",
                                    "command": ["sh", "-c", "echo 2026-11-23T12:00:00Z auc=${trialParameters.x}"],
                                }
                            ],
                        }
                    },
                },
            },
        },
    },
}
CONTAINER = "trialTemplate.trialSpec.spec.template.spec.containers.0"


@dataclass
class Searches:
    """Writes experiments and runs them."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def write(self, changes: dict[str, Any] | None = None, script: str | None = None) -> Path:
        """The small experiment with other values at dotted paths under ``spec``, or under the top where it starts
        with a dot; None removes. ``script`` is the trial's line of shell."""
        document = copy.deepcopy(BASE)
        for path, value in (changes or {}).items():
            change(document, path[1:] if path.startswith(".") else f"spec.{path}", value)
        if script is not None:
            change(document, f"spec.{CONTAINER}.command", ["sh", "-c", script])
        file = self.folder / "experiment.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        return file

    def tune(self, changes: dict[str, Any] | None = None, script: str | None = None, *flags: str) -> Outcome:
        """Write and run; flags go to the verb."""
        return self.again(self.write(changes, script), *flags)

    def again(self, experiment: Path, *flags: str) -> Outcome:
        """Run a written experiment."""
        out = self.folder / "tune"
        code = main(["tune", "--experiment", str(experiment), "--out", str(out), *flags])
        said = self.capsys.readouterr()
        file = out / "trials.json"
        trials = json.loads(file.read_text(encoding="utf-8"))["items"] if file.exists() else []
        return Outcome(code, said.out, said.err, trials, out)


@dataclass
class Outcome:
    """What a search came to."""

    code: int
    out: str
    err: str
    trials: list[dict[str, Any]]
    folder: Path

    @property
    def states(self) -> list[str]:
        return [trial["status"]["conditions"][0]["type"] for trial in self.trials]

    @property
    def assigned(self) -> list[dict[str, str]]:
        return [{a["name"]: a["value"] for a in t["spec"]["parameterAssignments"]} for t in self.trials]

    @property
    def logs(self) -> list[str]:
        return [path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("*.log"))]


def change(document: Any, path: str, value: Any) -> None:
    """Set what stands at a dotted path; None removes it."""
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        document = document.setdefault(step, {}) if isinstance(document, dict) else document[step]
    if value is None:
        del document[last]
    else:
        document[last] = value


def parameter(name: str, kind: str, **space: Any) -> dict[str, Any]:
    """A parameter to search over."""
    return {"name": name, "parameterType": kind, "feasibleSpace": space}


def searching(*parameters: dict[str, Any], algorithm: str = "random", trials: int = 4) -> dict[str, Any]:
    """The changes that search over ``parameters`` and hand each to the trial under its own name."""
    return {
        "parameters": list(parameters),
        "algorithm.algorithmName": algorithm,
        "maxTrialCount": trials,
        "trialTemplate.trialParameters": [{"name": p["name"], "reference": p["name"]} for p in parameters],
    }


@pytest.fixture
def searches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Searches:
    """Small searches in a folder of their own."""
    return Searches(tmp_path, capsys)


@pytest.fixture
def refused(searches: Searches) -> Callable[..., str]:
    """Run an experiment that must be refused before any trial; returns the sentence."""

    def refuse(changes: dict[str, Any] | None = None, script: str | None = None, *flags: str) -> str:
        outcome = searches.tune(changes, script, *flags)
        assert outcome.code == 2
        assert not outcome.folder.exists(), "a refused search leaves nothing"
        assert outcome.err.startswith("slipway tune: ") and "Traceback" not in outcome.err
        return outcome.err

    return refuse
