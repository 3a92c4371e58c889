"""Features: the same in training as in serving, and bounded as they say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from slipway.problem import Column, Feature, evenly, logarithmic, words
from slipway.problem.features import bounds, bucket_of, drift_buckets, encode, row_encoder

COLUMNS = (
    Column("day", "date"),
    Column("at", "clock", nullable=True),
    Column("price", "number", nullable=True, minimum=0, maximum=50),
    Column("shop", "category", nullable=True, categories=("north", "south"), other=True),
    Column("plain", "category", categories=("a", "b")),
    Column("customer", "category", nullable=True, hashed=16),
    Column("note", "text", nullable=True),
)
FEATURES = (
    Feature("weekday", "day", "weekday"),
    Feature("month", "day", "month"),
    Feature("day", "day", "day"),
    Feature("yearday", "day", "yearday"),
    Feature("minute", "at", "minutes"),
    Feature("price", "price", "number"),
    Feature("shop", "shop", "code"),
    Feature("plain", "plain", "code"),
    Feature("customer", "customer", "hash"),
    Feature("length", "note", "length"),
    *words("note", 4),
)
SCHEMA = {"columns": [c.as_json() for c in COLUMNS], "features": [f.as_json() for f in FEATURES]}
ROWS = [
    {"day": "2024-02-29", "at": 1530, "price": 9.5, "shop": "south", "plain": "b", "customer": "Zoë", "note": "to be"},
    {"day": "2023-12-31", "at": None, "price": None, "shop": None, "plain": "a", "customer": None, "note": None},
    {"day": "2024-01-01", "at": 0, "price": 50.0, "shop": "moon", "plain": "a", "customer": "", "note": ""},
]


def frame() -> pd.DataFrame:
    """The rows as the check reads them."""
    rows = pd.DataFrame(ROWS)
    rows["day"] = pd.to_datetime(rows["day"])
    rows["at"] = rows["at"].astype("Int64")
    rows["plain"] = pd.Categorical(rows["plain"], ["a", "b"], ordered=True)
    return rows


def test_training_and_serving_encode_alike() -> None:
    one_by_one = row_encoder(SCHEMA)
    served = np.array([one_by_one(row) for row in ROWS], dtype=np.float32)
    np.testing.assert_array_equal(served, encode(frame(), SCHEMA))
    assert np.isnan(served[1]).sum() == len(FEATURES) - 5  # all but the date's and plain's


def test_what_each_encoding_means() -> None:
    first = dict(zip((f.name for f in FEATURES), row_encoder(SCHEMA)(ROWS[0]), strict=True))
    assert first["weekday"] == 3 and first["month"] == 2 and first["day"] == 29 and first["yearday"] == 60
    assert first["minute"] == 15 * 60 + 30 and first["shop"] == 1 and first["plain"] == 1
    assert first["length"] == 5 and first["note_words"] == 2
    assert sum(first[f"note_token_{i}"] for i in range(4)) == 2


def test_another_value_has_a_code_of_its_own_and_nothing_has_none() -> None:
    shops = encode(frame(), SCHEMA)[:, 6]
    np.testing.assert_array_equal(shops, np.float32([1, np.nan, 2]))


def test_a_category_that_this_schema_does_not_know_is_missing_to_it() -> None:
    old = {"columns": [Column("plain", "category", categories=("b",)).as_json()], "features": [FEATURES[7].as_json()]}
    np.testing.assert_array_equal(encode(frame(), old)[:, 0], np.float32([0, np.nan, np.nan]))


def test_every_value_is_within_its_bounds_and_in_one_bucket() -> None:
    matrix = encode(frame(), SCHEMA)
    for position, feature in enumerate(FEATURES):
        column = next(column for column in COLUMNS if column.name == feature.source)
        low, high = bounds(feature.as_json(), column.as_json())
        values = matrix[:, position][~np.isnan(matrix[:, position])]
        assert (values >= low).all() and (values <= high).all()
        if feature.encoding != "token":
            drift = drift_buckets(feature, column)
            places = np.searchsorted(drift["edges"], values, side="right") if drift["edges"] else values.astype(int)
            assert places.max() < len(drift["buckets"])


def test_a_hash_is_the_same_in_another_process() -> None:
    code = "from slipway.problem.features import bucket_of; print(bucket_of('Zoë', 1000))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(said) == bucket_of("Zoë", 1000)


@pytest.mark.parametrize("edges", [evenly(0, 100), logarithmic(1, 1e6), evenly(-1, 1, 4)])
def test_borders_ascend(edges: tuple[float, ...]) -> None:
    assert len(edges) in (3, 19) and np.all(np.diff(edges) > 0)


def test_the_range_that_is_allowed_is_not_the_range_that_is_counted() -> None:
    column = Column("income", "number", minimum=0, maximum=1e9, drift=logarithmic(1e3, 1e6))
    drift = drift_buckets(Feature("income", "income", "number"), column)
    assert drift["edges"] == list(logarithmic(1e3, 1e6)) and "from 0 to 1e+09" in column.expectation()
    open_ended = Column("income", "number", minimum=0)
    assert {1.0, 200.0, 5e6} <= set(drift_buckets(Feature("income", "income", "number"), open_ended)["edges"])
    assert open_ended.expectation() == "a number of at least 0"
