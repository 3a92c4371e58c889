"""`slipway evaluate`: the hold-out's metrics, its slices, every month, and a refusal to flatter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from slipway.__main__ import main
from slipway.learning.ensemble import load_ensemble
from slipway.learning.matrices import load_parts
from slipway.model.schema import CARRIERS, ORIGINS
from tests.sample import NAMES

METRICS = ["auc", "logloss", "brier", "ece", "mean_answer", "mean_prediction", "rows"]


def load(path: str) -> Any:
    """A JSON file of the workspace."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def poison(path: Path, **columns: float) -> None:
    """Set columns of a prepared month; ``answer`` is the last one."""
    matrix = np.load(path)
    for name, value in columns.items():
        matrix[:, -1 if name == "answer" else NAMES.index(name)] = value
    np.save(path, np.asfortranarray(matrix))


def test_the_metrics_are_scikit_learns_on_the_holdout(workspace: Path) -> None:
    month = load_parts(workspace / "data/prepared").parts[-1].load()
    predicted = load_ensemble(workspace / "models/current").predict(np.ascontiguousarray(month[:, :-1]))
    answers = month[:, -1]
    found = load("reports/metrics.json")
    assert list(found) == METRICS
    assert found["auc"] == pytest.approx(roc_auc_score(answers, predicted), abs=1e-6)
    assert found["logloss"] == pytest.approx(log_loss(answers, predicted.astype(float)), abs=1e-6)
    assert found["brier"] == pytest.approx(brier_score_loss(answers, predicted), abs=1e-6)
    assert found["mean_answer"] == pytest.approx(answers.mean(), abs=1e-6)
    assert found["mean_prediction"] == pytest.approx(predicted.mean(), abs=1e-6)
    assert found["rows"] == len(answers)


def test_the_lines_are_the_contracts(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate"]) == 0
    said = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()[:-1]]
    found = load("reports/metrics.json")
    assert said == [f"holdout-{name.replace('_', '-')}={found[name]:.10g}" for name in METRICS]


def test_twice_the_same_bytes_plots_and_all(workspace: Path) -> None:
    before = everything(workspace / "reports")
    assert {name for name in before if name.startswith("plots/")} == {
        f"plots/{name}.svg" for name in ("calibration", "curves", "importance", "parts", "slices")
    }
    assert main(["evaluate"]) == 0
    assert everything(workspace / "reports") == before


def test_another_folder_leaves_the_pipelines_files_alone(workspace: Path) -> None:
    before = everything(workspace / "reports")
    assert main(["evaluate", "--out", "build/challenger", "--metrics", "build/scores.json"]) == 0
    assert everything(workspace / "reports") == before
    assert load("build/scores.json") == load("reports/metrics.json")
    assert sorted(path.name for path in Path("build/challenger").iterdir()) == ["plots", "slices.json"]


def test_the_slices_are_whole_and_of_the_holdout(workspace: Path) -> None:
    rows = load("reports/metrics.json")["rows"]
    slices = load("reports/slices.json")["slices"]
    for kind, names in (("origin", ORIGINS), ("carrier", CARRIERS)):
        assert sum(entry["rows"] for entry in slices[kind]) == rows
        assert {entry["name"] for entry in slices[kind]} <= set(names)
        assert [entry["rows"] for entry in slices[kind]] == sorted((e["rows"] for e in slices[kind]), reverse=True)
    month = load_parts(workspace / "data/prepared").parts[-1].load()
    here = month[:, NAMES.index("origin")] == ORIGINS.index("JFK")
    predicted = load_ensemble(workspace / "models/current").predict(np.ascontiguousarray(month[:, :-1]))
    jfk = next(entry for entry in slices["origin"] if entry["name"] == "JFK")
    assert jfk["auc"] == pytest.approx(roc_auc_score(month[here, -1], predicted[here]), abs=1e-6)


def test_every_month_is_scored_and_what_was_learnt_from_is_marked(workspace: Path) -> None:
    months = load("reports/slices.json")["parts"]
    assert [(month["name"], month["learnt"]) for month in months] == [
        ("2013-01", True), ("2013-02", True), ("2013-03", True), ("2013-04", True), ("2013-05", False),
    ]  # fmt: skip
    assert {name: months[-1][name] for name in METRICS} == load("reports/metrics.json")


def test_importance_is_a_share_with_its_spread(workspace: Path) -> None:
    importance = load("reports/slices.json")["importance"]
    assert {entry["feature"] for entry in importance} == set(NAMES)
    assert sum(entry["share"] for entry in importance) == pytest.approx(1, abs=1e-4)
    assert all(entry["least"] <= entry["share"] <= entry["most"] for entry in importance)
    assert [entry["share"] for entry in importance] == sorted((e["share"] for e in importance), reverse=True)


def test_a_model_that_has_learnt_from_the_holdout_is_refused(
    workspace: Path, set_params: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(workspace / "reports")
    set_params(split={"holdout": 2})
    assert main(["evaluate"]) == 2
    captured = capsys.readouterr()
    assert "models/current has learnt from 2013-04, which is held out now" in captured.err
    assert captured.out == ""
    assert everything(workspace / "reports") == before


def test_two_months_held_out_are_scored_together(workspace: Path, set_params: Callable[..., None]) -> None:
    set_params(split={"holdout": 2})
    assert main(["train", "--final", "--out", "models/current"]) == 0
    assert main(["evaluate"]) == 0
    details = load("reports/slices.json")
    assert details["held_out"] == ["2013-04", "2013-05"]
    assert [month["learnt"] for month in details["parts"]] == [True, True, True, False, False]
    held = [month["rows"] for month in details["parts"] if not month["learnt"]]
    assert load("reports/metrics.json")["rows"] == sum(held)
    assert "2013-04 to 2013-05" in Path("reports/plots/calibration.svg").read_text()


@pytest.mark.parametrize("answer", [0.0, 1.0])
def test_a_holdout_with_one_kind_of_answer_ends_before_a_metric_is_printed(
    workspace: Path, capsys: pytest.CaptureFixture[str], answer: float
) -> None:
    before = everything(workspace / "reports")
    poison(workspace / "data/prepared/2013-05.npy", answer=answer)
    assert main(["evaluate"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "AUC of the hold-out (2013-05) is not defined" in captured.err
    assert everything(workspace / "reports") == before


def test_a_slice_with_one_kind_of_answer_has_no_auc_and_is_drawn(workspace: Path) -> None:
    path = workspace / "data/prepared/2013-05.npy"
    matrix = np.load(path)
    matrix[matrix[:, NAMES.index("origin")] == ORIGINS.index("LGA"), -1] = 0
    np.save(path, np.asfortranarray(matrix))
    assert main(["evaluate"]) == 0
    lga = next(e for e in load("reports/slices.json")["slices"]["origin"] if e["name"] == "LGA")
    assert (lga["auc"], lga["error"], lga["mean_answer"]) == (None, None, 0.0)
    assert "not defined" in Path("reports/plots/slices.svg").read_text()


def test_a_part_of_the_past_with_one_kind_of_answer_is_no_reason_to_stop(workspace: Path) -> None:
    poison(workspace / "data/prepared/2013-02.npy", answer=0.0)
    assert main(["evaluate"]) == 0
    assert load("reports/slices.json")["parts"][1]["auc"] is None


def test_a_model_for_other_features_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workspace / "models/current/metadata.json"
    metadata = json.loads(path.read_text())
    metadata["features"] = metadata["features"][::-1]
    path.write_text(json.dumps(metadata))
    assert main(["evaluate"]) == 2
    assert "reads other features than src/slipway/model/features.py has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "nowhere"], "nowhere/schema.json is missing: make it with"),
        (["--prepared", "nowhere"], "nowhere/index.json is missing: make it with `python -m slipway prepare`"),
    ],
)
def test_what_is_missing_is_named(
    workspace: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert main(["evaluate", *flags]) == 2
    assert said in capsys.readouterr().err
