"""Rows are read fast or slowly, few or many, by name or by column, and nobody can tell which."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.problem.features import row_encoder
from slipway.serving.requests import Refusal, RequestReader
from tests.serving.departures import encode, sample, schema_json
from tests.serving.rows import FUZZ
from tests.serving.test_fuzz import ODD_ROW, RIGHT

READER = RequestReader(schema_json())


def read(rows: list[Any]) -> np.ndarray:
    """Rows as a request brings them."""
    return READER.read(orjson.dumps({"rows": rows}))


def read_slowly(rows: list[Any]) -> np.ndarray:
    """The same, value by value."""
    return READER.rows({"rows": rows})


def read_columns(rows: list[Any]) -> np.ndarray:
    """The same as V2's columns."""
    tensors = [
        {"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": [row[name] for row in rows]}
        for name in READER.columns
    ]
    return READER.tensors({"inputs": tensors})


def test_many_rows_are_encoded_as_in_training(month: Any) -> None:
    for start in range(0, 6000, 1000):
        part = month.iloc[start : start + 1000]
        rows = sample(part)
        positions = np.unique(np.linspace(0, len(part) - 1, 200).astype(int))
        expected = encode(part)[positions]
        np.testing.assert_array_equal(read(rows), expected)
        np.testing.assert_array_equal(read_slowly(rows), expected)
        np.testing.assert_array_equal(read_columns(rows), expected)
        one_by_one = row_encoder(schema_json())
        np.testing.assert_array_equal(np.array([one_by_one(row) for row in rows], dtype=np.float32), expected)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("carrier", "XX"), ("carrier", None), ("carrier", 5), ("carrier", []), ("date", "2013-02-30"), ("date", None),
        ("date", 20130101), ("date", {}), ("temp", "1"), ("temp", True), ("temp", 131), ("temp", []), ("distance", 1.5),
        ("distance", None), ("sched_dep_time", 1260), ("sched_dep_time", 2401), ("sched_dep_time", None),
        ("sched_dep_time", -1), ("distance", 10**18), ("visib", 1e300),
    ],
)  # fmt: skip
def test_one_wrong_row_among_many_gets_the_same_sentence(column: str, value: Any, rows: Any) -> None:
    with pytest.raises(Refusal) as alone:
        read_slowly([rows[0] | {column: value}])
    with pytest.raises(Refusal) as among:
        read([*rows[:50], rows[0] | {column: value}, *rows[:9]])
    with pytest.raises(Refusal) as in_columns:
        read_columns([rows[0] | {column: value}])
    assert in_columns.value.sentence == alone.value.sentence
    assert among.value.sentence == alone.value.sentence.replace("row 0", "row 50")
    assert (among.value.column, among.value.reason) == (alone.value.column, alone.value.reason) != ("", "")


def test_a_missing_column_or_a_row_of_another_kind_among_many(rows: Any) -> None:
    for odd, says in (
        ({}, "row 10, column date: is missing"),
        ([], "row 10: found a list"),
        ("x", 'row 10: found "x"'),
    ):
        with pytest.raises(Refusal, match=says):
            read([*rows[:10], odd])


def test_whole_numbers_written_as_floats_are_whole(rows: Any) -> None:
    floats = [row | {"distance": float(row["distance"]), "sched_dep_time": 600.0} for row in rows[:20]]
    whole = [row | {"sched_dep_time": 600} for row in rows[:20]]
    for count in (1, 20):
        np.testing.assert_array_equal(read(floats[:count]), read(whole[:count]))
        np.testing.assert_array_equal(read(floats[:count]), read_slowly(whole[:count]))


def test_right_rows_are_never_read_slowly(month: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RequestReader, "_read_slowly")
    rows = sample(month)
    for count in (1, 15, 16, 200):
        assert read(rows[:count]).shape == read_columns(rows[:count]).shape == (count, 16)
        assert read(rows[:count]).flags.c_contiguous


def test_text_is_utf_8_even_where_it_is_passed_over(rows: Any) -> None:
    body = orjson.dumps({"rows": [rows[0] | {"note": "ünsinn"}]})
    np.testing.assert_array_equal(READER.read(body), read(rows[:1]))
    with pytest.raises(Refusal, match="not JSON"):
        READER.read(body.replace("ü".encode(), b"\xff"))


def test_a_time_of_day_that_is_no_feature_in_minutes_is_checked_all_the_same(rows: Any) -> None:
    schema = schema_json()
    schema["features"][0] = {"name": "departure", "source": "sched_dep_time", "encoding": "number"}
    reader = RequestReader(schema)
    assert reader.read(orjson.dumps({"rows": [rows[0] | {"sched_dep_time": 1259}]}))[0, 0] == 1259
    with pytest.raises(Refusal, match="found 1260, expected a time of day"):
        reader.read(orjson.dumps({"rows": [rows[0] | {"sched_dep_time": 1260}]}))


@settings(FUZZ, max_examples=1500)
@given(row=ODD_ROW, count=st.sampled_from([1, 20]))
def test_odd_rows_are_the_same_either_way(row: Any, count: int) -> None:
    try:
        body = orjson.dumps({"rows": [RIGHT] * (count - 1) + [row]})
    except TypeError:  # no JSON
        return
    found: list[Any] = []
    for way in (READER.read, lambda body: READER.rows(orjson.loads(body))):
        try:
            found.append(way(body).tolist())
        except Refusal as refusal:
            found.append((refusal.sentence, refusal.column, refusal.reason, refusal.status))
    np.testing.assert_equal(*found)
