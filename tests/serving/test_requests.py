"""Rows are read one by one or column by column, and nobody can tell which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from slipway.model.features import encode, row_encoder, schema_json
from slipway.model.prepare import sample
from slipway.serving.requests import Refusal, RequestReader

READER = RequestReader(schema_json())


def test_many_rows_are_encoded_as_in_training(month: Any) -> None:
    for start in range(0, 6000, 1000):
        part = month.iloc[start : start + 1000]
        rows = sample(part)
        positions = np.unique(np.linspace(0, len(part) - 1, 200).astype(int))
        expected = encode(part)[positions]
        assert READER._many(rows) is not None
        np.testing.assert_array_equal(READER.rows({"rows": rows}), expected)
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
        READER.rows({"rows": [rows[0] | {column: value}]})
    with pytest.raises(Refusal) as among:
        READER.rows({"rows": [*rows[:50], rows[0] | {column: value}, *rows[:9]]})
    assert among.value.sentence == alone.value.sentence.replace("row 0", "row 50")
    assert (among.value.column, among.value.reason) == (alone.value.column, alone.value.reason) != ("", "")


def test_a_missing_column_or_a_row_of_another_kind_among_many(rows: Any) -> None:
    for odd, says in (
        ({}, "row 10, column date: is missing"),
        ([], "row 10: found a list"),
        ("x", 'row 10: found "x"'),
    ):
        with pytest.raises(Refusal, match=says):
            READER.rows({"rows": [*rows[:10], odd]})


def test_whole_numbers_written_as_floats_are_whole(rows: Any) -> None:
    many = [row | {"distance": float(row["distance"])} for row in rows[:20]]
    np.testing.assert_array_equal(READER.rows({"rows": many}), READER.rows({"rows": rows[:20]}))
