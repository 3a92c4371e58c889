"""The prepared months: read as they are, split by time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from slipway.errors import UserError
from slipway.learning.matrices import Months, load_months, split
from slipway.model.features import NAMES


@pytest.fixture
def months(workspace: Path) -> Months:
    """January to May, one flight in twelve."""
    return load_months(workspace / "data/prepared")


@pytest.mark.parametrize(("validation", "holdout"), [(1, 1), (2, 1), (1, 3), (3, 1)])
def test_the_split_is_by_time(months: Months, validation: int, holdout: int) -> None:
    parts = split(months, validation, holdout)
    assert len(parts.validation.months) == validation and len(parts.holdout.months) == holdout
    assert max(parts.train.names) < min(parts.validation.names)
    assert max(parts.validation.names) < min(parts.holdout.names)
    assert parts.train.names + parts.validation.names + parts.holdout.names == months.names == sorted(months.names)
    assert parts.past.names == parts.train.names + parts.validation.names


def test_too_few_months_is_said_with_what_was_asked(months: Months) -> None:
    with pytest.raises(UserError, match=r"has 5 months.* 3 to validate, 2 to hold out and one to train on"):
        split(months, 3, 2)


def test_columns_features_answers_and_days_are_of_the_same_rows(months: Months) -> None:
    features, answers = months.features(), months.answers()
    assert features.shape == (months.rows, len(NAMES)) and answers.shape == (months.rows,)
    assert set(np.unique(answers)) == {0.0, 1.0}
    np.testing.assert_array_equal(months.column("distance"), features[:, NAMES.index("distance")])
    days = months.days()
    assert days.shape == (months.rows,) and days.max() == 31 + 28 + 31 + 30 + 31 - 1
    weekday = features[:, NAMES.index("weekday")]  # 2013 began on a Tuesday
    np.testing.assert_array_equal(weekday, (days + 1) % 7)


def test_nothing_prepared_says_how(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"index\.json is missing: make it with `python -m slipway prepare`"):
        load_months(tmp_path)


def test_other_features_say_to_prepare_again(workspace: Path) -> None:
    path = workspace / "data/prepared/index.json"
    index = json.loads(path.read_text())
    index["features"][0] = "phase_of_the_moon"
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match="prepared for other features"):
        load_months(workspace / "data/prepared")


def test_an_index_without_days_says_to_prepare_again(workspace: Path) -> None:
    path = workspace / "data/prepared/index.json"
    index = json.loads(path.read_text())
    del index["months"][1]["days"]
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"does not say how many rows of 2013-02 each day has: `python -m slipway prep"):
        load_months(workspace / "data/prepared")


@pytest.mark.parametrize("content", [b"", b"not a matrix", b"\x93NUMPY\x01\x00"])
def test_a_broken_matrix_is_named(workspace: Path, months: Months, content: bytes) -> None:
    path = workspace / "data/prepared/2013-03.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"2013-03\.npy cannot be read .*`python -m slipway prepare`"):
        months.features()


def test_a_matrix_of_another_shape_is_named(workspace: Path, months: Months) -> None:
    np.save(workspace / "data/prepared/2013-03.npy", np.zeros((4, 2), np.float32))
    with pytest.raises(UserError, match=r"2013-03\.npy has shape \(4, 2\)"):
        months.answers()


def test_binning_month_by_month_is_binning_all_at_once(months: Months) -> None:
    import xgboost as xgb

    whole = xgb.QuantileDMatrix(months.features(), months.answers(), feature_names=list(NAMES), max_bin=64)
    by_month = months.quantized(64)
    assert by_month.num_row() == whole.num_row() == months.rows
    assert by_month.feature_names == list(NAMES)
    np.testing.assert_array_equal(by_month.get_label(), whole.get_label())
