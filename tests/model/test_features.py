"""Features: nothing from after departure, nothing from other rows, and the same in training as in serving."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slipway.learning.check import read_part
from slipway.model.features import FEATURES
from slipway.model.schema import COLUMNS
from tests.sample import NAMES, answer, encode, inputs, row_encoder, schema_json


@pytest.fixture(scope="module")
def frame(small_months: Path) -> pd.DataFrame:
    """A real month, checked: some of its weather is missing."""
    return read_part(small_months / "2013-02.csv")


def test_changing_everything_known_after_departure_changes_no_feature(frame: pd.DataFrame) -> None:
    poisoned = frame.copy()
    for column in COLUMNS:
        if not column.known:
            poisoned[column.name] = pd.array(np.arange(len(frame)) % 60, dtype="Int64")
    assert not np.array_equal(answer(poisoned), answer(frame), equal_nan=True)  # the answers did change
    np.testing.assert_array_equal(encode(poisoned), encode(frame))
    gone = frame.drop(columns=[column.name for column in COLUMNS if not column.known])
    np.testing.assert_array_equal(encode(gone), encode(frame))


def test_a_row_has_the_same_features_whatever_stands_around_it(frame: pd.DataFrame) -> None:
    whole = encode(frame)
    np.testing.assert_array_equal(encode(frame.iloc[::-1])[::-1], whole)
    for place in (0, 100, len(frame) - 1):
        np.testing.assert_array_equal(encode(frame.iloc[[place]])[0], whole[place])


def test_training_and_serving_encode_every_real_row_alike(frame: pd.DataFrame) -> None:
    names = [column.name for column in inputs()]
    rows = frame[names].assign(date=frame["date"].dt.strftime("%Y-%m-%d")).astype(object)
    rows = rows.where(rows.notna(), None).to_dict("records")
    assert any(value is None for row in rows for value in row.values())
    one_by_one = row_encoder(schema_json())
    served = np.array([one_by_one(row) for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(served, encode(frame))
    assert np.isnan(served).any()


def test_what_a_feature_means(frame: pd.DataFrame) -> None:
    matrix = pd.DataFrame(encode(frame), columns=list(NAMES))
    assert matrix.dtypes.eq(np.float32).all()
    first = frame.iloc[0]
    assert matrix["departure_minute"].iloc[0] == first["sched_dep_time"] // 100 * 60 + first["sched_dep_time"] % 100
    assert matrix["departure_minute"].between(0, 24 * 60).all()
    assert matrix["weekday"].iloc[0] == date(2013, 2, 1).weekday()
    assert matrix["origin"].isin([0, 1, 2]).all()
    np.testing.assert_array_equal(matrix["temp"].isna(), frame["temp"].isna())
    assert len(NAMES) == len(set(NAMES)) == len(FEATURES)


def test_late_is_a_quarter_of_an_hour_or_more() -> None:
    delays = pd.DataFrame({"arr_delay": pd.array([14, 15, -20, 300, None], dtype="Int64")})
    np.testing.assert_array_equal(answer(delays), np.array([0, 1, 0, 1, np.nan], dtype=np.float32))
