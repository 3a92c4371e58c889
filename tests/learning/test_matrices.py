"""The prepared months: read as they are, split by time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slipway.errors import UserError
from slipway.learning.learners.xgboost import binned
from slipway.learning.matrices import Rows, load_parts
from slipway.learning.split import split_rows
from slipway.params import Split
from slipway.problem import ByTime
from tests.sample import NAMES, PROBLEM, sides


@pytest.fixture
def rows(workspace: Path) -> Rows:
    """January to May, one flight in twelve."""
    return load_parts(workspace / "data/prepared")


@pytest.mark.parametrize(("validation", "holdout"), [(1, 1), (2, 1), (1, 3), (3, 1)])
def test_the_split_is_by_time(workspace: Path, rows: Rows, validation: int, holdout: int) -> None:
    parts = sides(workspace, validation, holdout)
    assert len(parts.validation.parts) == validation and len(parts.holdout.parts) == holdout
    assert max(parts.train.names) < min(parts.validation.names)
    assert max(parts.validation.names) < min(parts.holdout.names)
    assert parts.train.names + parts.validation.names + parts.holdout.names == rows.names == sorted(rows.names)
    assert parts.past.names == parts.train.names + parts.validation.names


def test_too_few_months_is_said_with_what_was_asked(workspace: Path) -> None:
    with pytest.raises(UserError, match=r"has 5 months.* 3 to validate, 2 to hold out, and one to train on"):
        sides(workspace, 3, 2)


def test_a_share_of_what_is_split_by_months_is_refused(workspace: Path) -> None:
    with pytest.raises(UserError, match=r"split\.holdout: expected a number of months, not 0\.2"):
        sides(workspace, 1, 0.2)


def test_a_gap_keeps_what_is_not_known_yet_out_of_the_past(rows: Rows) -> None:
    parts = split_rows(rows, Split(validation=1, holdout=1), replace(PROBLEM, split=ByTime(gap=1)))
    assert [side.names for side in (parts.train, parts.validation, parts.past, parts.holdout)] == [
        ["2013-01"], ["2013-03"], ["2013-01", "2013-02", "2013-03"], ["2013-05"],
    ]  # fmt: skip
    with pytest.raises(UserError, match="4 to leave out between, and one to train on"):
        split_rows(rows, Split(validation=1, holdout=1), replace(PROBLEM, split=ByTime(gap=2)))


def test_columns_features_answers_and_days_are_of_the_same_rows(rows: Rows) -> None:
    features, answers = rows.features(), rows.answers()
    assert features.shape == (rows.rows, len(NAMES)) and answers.shape == (rows.rows,)
    assert set(np.unique(answers)) == {0.0, 1.0}
    np.testing.assert_array_equal(rows.column("distance"), features[:, NAMES.index("distance")])
    days = in_order_of_rows(rows.units())
    assert days.shape == (rows.rows,) and days.max() == 31 + 28 + 31 + 30 + 31 - 1
    weekday = features[:, NAMES.index("weekday")]  # 2013 began on a Tuesday
    np.testing.assert_array_equal(weekday, (days + 1) % 7)


def test_nothing_prepared_says_how(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"index\.json is missing: make it with `python -m slipway prepare`"):
        load_parts(tmp_path)


def test_other_features_say_to_prepare_again(workspace: Path) -> None:
    path = workspace / "data/prepared/index.json"
    index = json.loads(path.read_text())
    index["features"][0] = "phase_of_the_moon"
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match="prepared for other features"):
        load_parts(workspace / "data/prepared")


def in_order_of_rows(units: np.ndarray) -> np.ndarray:
    """The same units, counted from 0 on as they are met."""
    _, first, place = np.unique(units, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place]


@pytest.mark.parametrize("content", [b"", b"not a matrix", b"\x93NUMPY\x01\x00"])
def test_a_broken_matrix_is_named(workspace: Path, rows: Rows, content: bytes) -> None:
    path = workspace / "data/prepared/2013-03.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"2013-03\.npy cannot be read .*`python -m slipway prepare`"):
        rows.features()


def test_a_matrix_of_another_shape_is_named(workspace: Path, rows: Rows) -> None:
    np.save(workspace / "data/prepared/2013-03.npy", np.zeros((4, 2), np.float32))
    with pytest.raises(UserError, match=r"2013-03\.npy has shape \(4, 2\)"):
        rows.answers()


def test_binning_month_by_month_is_binning_all_at_once(rows: Rows) -> None:
    import xgboost as xgb

    whole = xgb.QuantileDMatrix(rows.features(), rows.answers(), feature_names=list(NAMES), max_bin=64)
    by_month = binned(rows, 64, PROBLEM)
    assert by_month.num_row() == whole.num_row() == rows.rows
    assert by_month.feature_names == list(NAMES)
    np.testing.assert_array_equal(by_month.get_label(), whole.get_label())
