"""Four small problems learn: each kind of task, of files, of split; and another learner does too."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import _once
from tests.problems import HERE, MODEL, Workplace, workplace

PARTS = {"houses": 2, "tickets": 4, "queries": 8, "visits": 4}
LEARN = ("data check", "prepare", "train --members 1", "train --final --out models/current", "evaluate")
COMPILED = """
import json; from pathlib import Path; import numpy as np
from slipway.learning.compile import compile_ensemble
from slipway.learning.golden import check_compiled
from slipway.learning.ensemble import load_ensemble
folder = Path("models/current"); compile_ensemble(folder); check_compiled(folder)
import onnx
[output] = onnx.load(folder / "ensemble.onnx").graph.output
shape = [side.dim_value for side in output.type.tensor_type.shape.dim]
print(json.dumps([output.name, shape]))
"""


@pytest.fixture(scope="session", params=PARTS)
def learnt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Workplace]:
    """A problem's name, and its repository after everything in LEARN. Read only."""
    name = request.param

    def make(folder: Path) -> None:
        workplace(name, folder, PARTS[name]).verbs(*LEARN)

    return name, Workplace(_once(tmp_path_factory, f"learnt-{name}", make))


def test_it_is_learnt_and_told(learnt: tuple[str, Workplace]) -> None:
    name, place = learnt
    metrics = place.read("reports/metrics.json")
    learns = {
        "houses": metrics.get("r2", 0) > 0.7,
        "tickets": metrics.get("accuracy", 0) > 0.55,
        "queries": metrics.get("ndcg", 0) > 0.85,
        "visits": metrics.get("auc", 0) > 0.65,
    }
    assert learns[name], metrics
    drawn = {path.stem for path in (place.folder / "reports/plots").iterdir()}
    of_the_task = {
        "houses": {"predicted", "residuals"}, "tickets": {"confusion", "confidence"}, "queries": {"groups"},
        "visits": {"calibration", "curves"},
    }  # fmt: skip
    assert drawn == {"parts", "slices", "importance"} | of_the_task[name]


def test_the_model_folder_says_what_it_answers(learnt: tuple[str, Workplace]) -> None:
    name, place = learnt
    schema, golden, profile = (place.read(f"models/current/{it}.json") for it in ("schema", "golden", "profile"))
    output = {
        "houses": {"name": "prediction", "key": "predictions", "width": 0},
        "tickets": {"name": "probability", "key": "probabilities", "width": 4},
        "queries": {"name": "score", "key": "scores", "width": 0},
        "visits": {"name": "probability", "key": "probabilities", "width": 0},
    }[name]
    assert schema["output"] == output and schema["format"] == 2
    assert all((len(answer) if output["width"] else 0) == output["width"] for answer in map(listed, golden["answers"]))
    scores = profile["scores"]
    assert len(scores["counts"]) == len(scores["buckets"]) > 2
    assert sum(scores["counts"]) == place.read("models/current/metadata.json")["rows"]
    assert scores["edges"] == sorted(set(scores["edges"]))
    for column in schema["columns"]:
        assert set(profile["columns"][column["name"]]["buckets"]) <= set(column["drift"]["buckets"])


def listed(answer: Any) -> list[float]:
    """An answer as a list, empty for a number."""
    return answer if isinstance(answer, list) else []


def test_it_compiles_within_the_tasks_tolerance(learnt: tuple[str, Workplace], tmp_path: Path) -> None:
    _, place = learnt
    shutil.copytree(place.folder, tmp_path / "copy")
    output = place.read("models/current/schema.json")["output"]
    shape = [0, output["width"]] if output["width"] else [0]
    assert Workplace(tmp_path / "copy").python(COMPILED) == [output["name"], shape]


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Workplace:
    """A problem's repository with its data."""
    return workplace(request.param, tmp_path, PARTS[request.param])


DRAWN = """
import json; from slipway.learning.matrices import load_parts
from slipway.learning.split import split_rows
from slipway.learning.learners.learner import settings
from slipway.model.problem import PROBLEM
sides = split_rows(load_parts(), settings(PROBLEM).split, PROBLEM)
print(json.dumps([sorted(map(float, side.answers())) for side in (sides.train, sides.validation, sides.holdout)]))
"""


@pytest.mark.parametrize("place", ["houses"], indirect=True)
def test_what_was_held_out_stays_so_when_rows_are_added(place: Workplace) -> None:
    place.verbs("prepare")
    before = place.python(DRAWN)
    from tests.problems.houses.data import write

    write(place.folder, 3)
    place.verbs("prepare")
    for few, many in zip(before, place.python(DRAWN), strict=True):
        assert set(few) < set(many)
    shares = [len(side) / sum(map(len, before)) for side in before]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.04)


@pytest.mark.parametrize(
    ("place", "file", "old", "new", "says"),
    [
        ("visits", f"{MODEL}/problem.py", "known_after=20", "known_after=25", "is known only 25 days later"),
        ("visits", f"{MODEL}/problem.py", 'drawn_by="visitor"', 'drawn_by="who"', "drawn_by: there is no column 'who'"),
        (
            "queries",
            f"{MODEL}/problem.py",
            "ByTime(gap=1)",
            "ByTime(gap=4)",
            "8 to leave out between",
        ),
        ("queries", f"{MODEL}/problem.py", 'group="query"', 'group="result"', "group 0 stands in"),
        ("queries", "params.yaml", "holdout: 1}", "holdout: 0.2}", "split.holdout: expected a number of days, not 0.2"),
        ("houses", "params.yaml", "holdout: 0.2}", "holdout: 0.9}", "shares of the rows, which must leave some"),
        (
            "houses",
            "params.yaml",
            "floors: {r2",
            "floors: {auc",
            "gate.floors.auc: no metric of the problem",
        ),
    ],
    indirect=["place"],
)
def test_what_does_not_fit_is_a_sentence(place: Workplace, file: str, old: str, new: str, says: str) -> None:
    place.edit(file, old, new)
    code = "import sys; from slipway.__main__ import main; sys.exit(main(['prepare']) or main(['train']))"
    said = place.run(sys.executable, "-c", code, ends=2).stderr
    assert says in said and said.count("\n") == 1


@pytest.mark.parametrize("place", ["houses"], indirect=True)
def test_another_learner_is_a_file_and_its_hyper_parameters_are_keys_and_flags(place: Workplace) -> None:
    shutil.copy(HERE / "ridge.py", place.folder / MODEL)
    place.edit(f"{MODEL}/problem.py", "    decides=rmse,\n", '    decides=rmse,\n    learner="slipway.model.ridge",\n')
    place.slipway("prepare")
    assert "train.alpha: is missing; add it" in place.slipway("train", ends=2).stderr
    params = place.folder / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(
        text[: text.index("  rounds")] + "  alpha: 1.0\n" + text[text.index("report:") :], encoding="utf-8"
    )
    place.verbs("train --alpha 3", "train --final --out models/current", "evaluate")
    assert "--alpha: input should be greater than 0, not 0.0" in place.slipway("train", "--alpha", "0", ends=2).stderr
    assert place.read("reports/metrics.json")["r2"] > 0.5
    metadata = place.read("models/current/metadata.json")
    assert metadata["recipes"] == [{"alpha": 1.0, "seed": 1}, {"alpha": 1.0, "seed": 2}]
    assert metadata["learner"] == "slipway.model.ridge" and "src/slipway/model/ridge.py" in metadata["made_of"]
    assert place.python(COMPILED) == ["prediction", [0]]
