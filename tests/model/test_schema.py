"""The declaration that everything else is derived from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from slipway.learning.check import read_month
from slipway.model.features import FEATURES, inputs, schema_json
from slipway.model.schema import (
    ANSWER,
    CARRIERS,
    COLUMN,
    COLUMNS,
    DESTINATIONS,
    DRIFT_BUCKETS,
    KEY,
    ORIGINS,
    drift_edges,
)


def test_the_categories_are_what_the_year_holds(full_months: Path) -> None:
    year = pd.concat(pd.read_csv(path, usecols=["carrier", "origin", "dest"]) for path in full_months.glob("*.csv"))
    assert set(year["origin"]) == set(ORIGINS)
    assert set(year["carrier"]) <= set(CARRIERS)
    assert set(year["dest"]) <= set(DESTINATIONS)
    assert all(len(code) == 3 and code.isalpha() for code in DESTINATIONS)


def test_what_happens_after_departure_is_no_input() -> None:
    after = {column.name for column in COLUMNS if not column.known_before_departure}
    assert after == {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    assert ANSWER in after
    assert not after & {column.name for column in inputs()}
    assert all(COLUMN[feature.source].known_before_departure for feature in FEATURES)


def test_every_column_stands_once_and_the_key_is_complete() -> None:
    assert len(COLUMN) == len(COLUMNS)
    assert all(not COLUMN[name].nullable for name in KEY)


def test_the_buckets_of_drift_cover_the_range_and_never_depend_on_the_data(small_months: Path) -> None:
    frame = read_month(small_months / "2013-02.csv")
    for column in inputs():
        edges = drift_edges(column)
        if column.kind in ("clock", "integer", "number"):
            assert len(edges) == DRIFT_BUCKETS - 1
            assert np.all(np.diff(edges) > 0)
            assert edges == drift_edges(COLUMN[column.name])
            held = np.searchsorted(edges, frame[column.name].dropna().to_numpy(float), side="right")
            assert held.max() < DRIFT_BUCKETS
        else:
            assert edges == []


def test_schema_json_is_enough_to_check_a_request() -> None:
    schema = json.loads(json.dumps(schema_json(), allow_nan=False))
    assert [column["name"] for column in schema["columns"]] == [column.name for column in inputs()]
    assert {feature["source"] for feature in schema["features"]} == {column["name"] for column in schema["columns"]}
    assert all(column["expectation"] for column in schema["columns"])
    assert next(column for column in schema["columns"] if column["name"] == "carrier")["categories"] == list(CARRIERS)
