"""Every task is served from its model folder alone: the answer's form, V2's, what is counted, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.serving.model import Model, load_model
from slipway.serving.traffic import MAX_BUCKETS, Traffic
from tests.conftest import _once
from tests.problems import Workplace
from tests.problems.test_learning import learnt  # noqa: F401  the fixture: each problem, learnt
from tests.serving.conftest import Server, serving
from tests.serving.rows import ANYTHING, FUZZ, as_tensors, dump, odd_row, right_row
from tests.serving.test_fuzz import asked

PREPARE = """
import json
from pathlib import Path
import numpy as np
from slipway.learning.check import DATA, part_files, part_of, read_part
from slipway.learning.compile import compile_ensemble
from slipway.learning.learners.learner import settings
from slipway.learning.matrices import load_parts
from slipway.learning.split import split_rows
from slipway.model.problem import PROBLEM
from slipway.problem.features import encode
compile_ensemble(Path("models/current"))
sides = split_rows(load_parts(), settings(PROBLEM).split, PROBLEM)
np.save("learnt_from.npy", sides.past.features())
profiled = [path for path in part_files(DATA) if part_of(path) in sides.past.names]
np.save("profiled.npy", np.concatenate([encode(read_part(path), PROBLEM.schema_json()) for path in profiled]))
print(json.dumps("done"))
"""


@dataclass(frozen=True)
class Case:
    """A problem's compiled model, and features: of the rows that it was learnt from, and of those in its profile.

    The profile's columns are of whole files: also of rows whose answer nobody knows, or that were drawn to be held out.
    """

    name: str
    folder: Path
    learnt_from: np.ndarray
    profiled: np.ndarray

    def load(self) -> Model:
        """The model as the server has it."""
        return load_model(self.folder, self.name)


@pytest.fixture(scope="session")
def case(learnt: tuple[str, Workplace], tmp_path_factory: pytest.TempPathFactory) -> Case:  # noqa: F811
    name, place = learnt

    def make(folder: Path) -> None:
        shutil.copytree(place.folder, folder, dirs_exist_ok=True)
        Workplace(folder).python(PREPARE)

    folder = _once(tmp_path_factory, f"compiled-{name}", make)
    features = [np.load(folder / f"{which}.npy") for which in ("learnt_from", "profiled")]
    return Case(name, folder / "models/current", *features)


@pytest.fixture(scope="module")
def server(case: Case) -> Iterator[Server]:
    with serving("--model", str(case.folder), "--name", case.name, "--version", "7") as running:
        yield running


@pytest.fixture(scope="module")
def ask(case: Case) -> Iterator[Any]:
    with asked(case.folder, case.name) as call:
        yield call


def test_rows_and_tensors_get_the_golden_answers_in_the_tasks_own_words(case: Case, server: Server) -> None:
    golden = json.loads((case.folder / "golden.json").read_text())
    model = case.load()
    output, task = model.output, model.schema["task"]
    status, plain = server.call("/predict", {"rows": golden["rows"]})
    assert status == 200
    assert set(plain) == {output.key, "model"} | ({"classes"} if output.width else set())
    allowed = model.schema["tolerance"]
    assert np.allclose(plain[output.key], golden["answers"], atol=allowed["absolute"], rtol=allowed["relative"])
    if output.width:
        assert plain["classes"] == [task["classes"][int(np.argmax(row))] for row in golden["answers"]]
        assert len(set(plain["classes"])) > 1

    status, answer = server.call(f"/v2/models/{case.name}/infer", as_tensors(*golden["rows"]) | {"id": "a"})
    (tensor,) = answer["outputs"]
    rows = len(golden["rows"])
    assert (status, answer["id"], tensor["name"], tensor["datatype"]) == (200, "a", output.name, "FP32")
    assert tensor["shape"] == ([rows, output.width] if output.width else [rows])
    assert np.reshape(tensor["data"], tensor["shape"]).tolist() == plain[output.key], "row by row, as V2 says"

    encoded = model.reader.rows({"rows": golden["rows"]})
    flat = [None if math.isnan(value) else float(value) for value in encoded.ravel()]
    matrix = {"name": "features", "shape": list(encoded.shape), "datatype": "FP32", "data": flat}
    for wanted in ({}, {"outputs": [{"name": output.name}]}):
        assert server.call(f"/v2/models/{case.name}/infer", {"inputs": [matrix]} | wanted)[1]["outputs"] == [tensor]
    other = {"inputs": [matrix], "outputs": [{"name": "other"}]}
    status, refused = server.call(f"/v2/models/{case.name}/infer", other)
    assert (status, refused["error"]) == (400, f'outputs: expected [{{"name": "{output.name}"}}] or nothing.')


def test_v2_says_what_comes_out_and_what_it_means(case: Case, server: Server) -> None:
    (about,) = server.call(f"/v2/models/{case.name}")[1]["outputs"]
    schema = case.load().schema
    width, task = schema["output"]["width"], schema["task"]
    assert (about["name"], about["datatype"]) == (schema["output"]["name"], "FP32")
    assert about["shape"] == ([-1, width] if width else [-1])
    meaning = {key: task[key] for key in ("classes", "unit", "group") if key in task}
    assert about.get("parameters", {}) == meaning


def counted(model: Model, features: np.ndarray) -> dict[str, dict[str, int]]:
    """What live traffic of these rows is counted as: rows by column and bucket."""
    traffic = Traffic(model.schema, model.profile)
    for start in range(0, len(features), 100):
        part = np.ascontiguousarray(features[start : start + 100])
        traffic.add(part, model.engine.predict(part))
    traffic.flush()
    assert (traffic.rows, traffic.uncounted, sum(traffic.scores)) == (len(features), 0, len(features))
    found: dict[str, dict[str, int]] = {}
    for column, bucket, rows in traffic.live():
        found.setdefault(column, {})[bucket] = rows
    return found


def test_rows_are_counted_as_the_profile_counted_them(case: Case) -> None:
    model = case.load()
    found = counted(model, case.profiled)
    assert model.profile["rows"] == len(case.profiled)
    for name, column in model.profile["columns"].items():
        assert found[name].pop("missing") == column["missing"], name
        assert {it: rows for it, rows in found[name].items() if rows} == {
            it: rows for it, rows in column["buckets"].items() if rows
        }, name


def test_answers_are_counted_as_the_members_own_were(case: Case) -> None:
    model = case.load()
    answers = counted(model, case.learnt_from)[model.schema["name"]["answer"]]
    scores = model.profile["scores"]
    assert answers.pop("missing") == 0 and list(answers) == scores["buckets"]
    # An answer on a border may be rounded over it.
    assert np.abs(np.subtract(list(answers.values()), scores["counts"])).sum() <= 4


def test_metrics_show_the_tasks_answers_and_stay_small(case: Case, server: Server) -> None:
    model = case.load()
    server.call("/predict", {"rows": [{}]})  # refused
    lines = server.call("/metrics")[1].splitlines()
    borders = [line.split('le="')[1].split('"')[0] for line in lines if line.startswith("slipway_score_bucket")]
    scores = model.profile["scores"]
    chances = model.schema["task"]["kind"] in ("binary", "multiclass")
    assert borders == [*map(str, [i / 20 for i in range(1, 21)] if chances else scores["edges"]), "+Inf"]
    counted = [line for line in lines if line.startswith("slipway_feature_rows_total")]
    word = model.schema["name"]["answer"]
    assert sum(f'column="{word}"' in line for line in counted) == len(scores["buckets"]) + 1
    for column in model.schema["columns"]:
        series = sum(f'column="{column["name"]}"' in line for line in counted)
        assert series == len(column["drift"]["buckets"]) + 1 <= MAX_BUCKETS + 2
        if column["hashed"]:
            assert series < column["hashed"], "a bucket holds many hashes"


def test_every_right_row_is_answered_whichever_way_it_comes(case: Case, ask: Any) -> None:
    schema = case.load().schema
    output, path = schema["output"], f"/v2/models/{case.name}/infer"

    @settings(FUZZ, max_examples=200)
    @given(row=right_row(schema))
    def asked_for(row: Any) -> None:
        status, alone = ask("/predict", dump({"rows": [row]}))
        assert status == 200, (row, alone)
        status, among = ask("/predict", dump({"rows": [row] * 20}))
        assert status == 200 and among[output["key"]] == alone[output["key"]] * 20, row
        status, tensors = ask(path, dump(as_tensors(row)))
        assert status == 200
        assert tensors["outputs"][0]["data"] == np.ravel(alone[output["key"]]).tolist(), row

    asked_for()


def test_whatever_else_is_sent_gets_an_answer_or_a_sentence(case: Case, ask: Any) -> None:
    schema = case.load().schema
    key, path = schema["output"]["key"], f"/v2/models/{case.name}/infer"

    @settings(FUZZ, max_examples=200)
    @given(row=odd_row(schema), anything=ANYTHING, flat=st.lists(st.floats(width=32) | ANYTHING, max_size=3))
    def asked_for(row: Any, anything: Any, flat: Any) -> None:
        width = len(schema["features"])
        matrix = {"name": "x", "shape": [1, width], "datatype": "FP32", "data": (flat * width)[:width]}
        for to, body in (
            ("/predict", {"rows": [row]}),
            ("/predict", {"rows": [row] * 17}),
            (path, as_tensors(row) if row else {}),
            (path, {"inputs": [matrix]}),
            ("/predict", {"rows": anything}),
        ):
            status, answer = ask(to, dump(body))
            if status == 200:
                assert key in answer or answer["outputs"][0]["name"] == schema["output"]["name"]
            else:
                assert 400 <= status < 500 and 10 < len(answer["error"]) < 1000, (body, answer)

    asked_for()


def test_a_category_that_nobody_lists_is_any_text_but_an_empty_one(case: Case, ask: Any) -> None:
    schema = case.load().schema
    row = json.loads((case.folder / "golden.json").read_text())["rows"][0]
    for column in schema["columns"]:
        name, nullable = column["name"], column["nullable"]
        if column["kind"] != "category":
            continue
        is_open = bool(column["other"] or column["hashed"])
        for value, right in (("never seen", is_open), ("", False), (None, nullable), (5, False)):
            status, answer = ask("/predict", dump({"rows": [row | {name: value}]}))
            assert status == (200 if right else 400), (name, value, answer)
            assert right or f"row 0, column {name}: found" in answer["error"]
