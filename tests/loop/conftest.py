"""Searches whose trials are a line of shell, so that dozens run in a second."""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from slipway.__main__ import main
from slipway.model.features import NAMES
from slipway.model.schema import CARRIERS, COLUMNS, DESTINATIONS, ORIGINS
from tests.conftest import ROOT, _once

BLIND_TO = "DL"
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


def write_month(folder: Path, month: str, rows: int = 1500) -> None:
    """A month of made-up flights that the schema accepts; evenings and some carriers are late more often."""
    rng = np.random.default_rng(int(month.replace("-", "")))
    hours, carriers = rng.integers(5, 23, rows), rng.integers(0, len(CARRIERS), rows)
    chance = 1 / (1 + np.exp(-((hours - 14) * 0.25 + (carriers % 5 - 2) * 0.9 - 0.5)))
    late = rng.random(rows) < chance
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{month}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in COLUMNS], restval="")
        writer.writeheader()
        for i in range(rows):
            writer.writerow(
                {
                    "date": f"{month}-{1 + i % 28:02}",
                    "sched_dep_time": hours[i] * 100 + int(rng.integers(0, 60)),
                    "sched_arr_time": (hours[i] + 1) * 100,
                    "carrier": CARRIERS[carriers[i]],
                    "flight": 1 + i,
                    "origin": ORIGINS[int(rng.integers(0, len(ORIGINS)))],
                    "dest": DESTINATIONS[int(rng.integers(0, len(DESTINATIONS)))],
                    "distance": 100 + int(rng.integers(0, 2000)),
                    "temp": round(float(rng.uniform(10, 90)), 2),
                    "arr_delay": "" if i % 50 == 0 else 40 if late[i] else -5,
                }
            )


@dataclass
class Workshop:
    """A folder with data, parameters and names, as a repository has them, and models in it."""

    folder: Path

    def train(self, name: str, *flags: str) -> Path:
        """A candidate for release: learnt from January to March, with April held out."""
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
            assert main(["train", "--final", "--out", f"models/{name}", "--members", "1", *flags]) == 0
        return self.folder / "models" / name


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Four months of 1,500 flights, prepared; models champion (weak), challenger (good) and blind. Read only.

    Blind is good too, but was taught the opposite about one carrier.
    """

    def make(folder: Path) -> None:
        for name in ("params.yaml", "slipway.yaml"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        for month in ("2013-01", "2013-02", "2013-03", "2013-04"):
            write_month(folder / "data/flights", month)
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            assert main(["prepare"]) == 0
        shop = Workshop(folder)
        shop.train("champion", "--rounds", "2", "--max_depth", "2")
        shop.train("challenger", "--rounds", "60", "--max_depth", "3")
        flipped = flip(folder / "data/prepared", folder / "data/flipped", BLIND_TO)
        shop.train("blind", "--prepared", str(flipped), "--rounds", "60", "--max_depth", "6", "--min_child_weight", "1")

    return Workshop(_once(tmp_path_factory, "workshop", make))


def flip(prepared: Path, to: Path, carrier: str) -> Path:
    """A copy of prepared months in which one carrier's flights have the opposite answer."""
    shutil.copytree(prepared, to)
    for path in to.glob("*.npy"):
        matrix = np.load(path)
        here = matrix[:, NAMES.index("carrier")] == CARRIERS.index(carrier)
        matrix[here, -1] = 1 - matrix[here, -1]
        np.save(path, np.asfortranarray(matrix))
    return to
