"""The sample's columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from slipway.learning.check import read_part
from slipway.model.problem import PROBLEM
from slipway.model.schema import CARRIERS, COLUMNS, DESTINATIONS, ORIGINS
from tests.sample import encode


def test_the_categories_are_what_the_year_holds(full_months: Path) -> None:
    year = pd.concat(pd.read_csv(path, usecols=["carrier", "origin", "dest"]) for path in full_months.glob("*.csv"))
    assert set(year["origin"]) == set(ORIGINS)
    assert set(year["carrier"]) <= set(CARRIERS)
    assert set(year["dest"]) <= set(DESTINATIONS)
    assert all(len(code) == 3 and code.isalpha() for code in DESTINATIONS)


def test_what_happens_after_departure_is_no_input() -> None:
    after = {column.name for column in COLUMNS if not column.known}
    assert after == {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    assert not after & {column.name for column in PROBLEM.inputs}


def test_the_buckets_of_drift_hold_every_real_value(small_months: Path) -> None:
    matrix = encode(read_part(small_months / "2013-02.csv"))
    for column in PROBLEM.schema_json()["columns"]:
        drift = column["drift"]
        values = matrix[:, drift["feature"]]
        values = values[~np.isnan(values)]
        places = np.searchsorted(drift["edges"], values, side="right") if drift["edges"] else values.astype(int)
        assert places.min() >= 0 and places.max() < len(drift["buckets"]), column["name"]
