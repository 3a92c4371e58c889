"""Live traffic is counted in the very buckets of the training profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway.learning.prepare import describe
from slipway.model.features import schema_json
from slipway.model.schema import COLUMN, drift_edges
from slipway.serving.traffic import MISSING, Traffic, _edges


def test_the_training_month_is_counted_as_prepare_counted_it(month: Any, features: np.ndarray, folder: Path) -> None:
    traffic = Traffic(schema_json(), json.loads((folder / "profile.json").read_text()))
    for start in range(0, len(features), 37):
        part = features[start : start + 37]
        traffic.add(part, np.full(len(part), 0.25, dtype=np.float32))
    traffic.flush()
    expected = describe(month)
    counted: dict[str, dict[str, int]] = {}
    for column, bucket, rows in traffic.live():
        counted.setdefault(column, {})[bucket] = rows
    assert traffic.rows == expected["rows"] == 6000
    for name, column in expected["columns"].items():
        assert counted[name].pop(MISSING) == column["missing"], name
        assert {bucket: rows for bucket, rows in counted[name].items() if rows} == {
            bucket: rows for bucket, rows in column["buckets"].items() if rows
        }, name
    assert traffic.scores.tolist() == [0] * 5 + [6000] + [0] * 14


def test_a_bucket_border_is_on_the_same_side(folder: Path) -> None:
    """Every time of day, and every border of every number, lands where `prepare` puts it."""
    traffic = Traffic(schema_json(), json.loads((folder / "profile.json").read_text()))
    clocks = [h * 100 + m for h in range(24) for m in range(60)] + [2400]
    edges = _edges("minutes", {})
    for clock in clocks:
        minutes = clock // 100 * 60 + clock % 100
        expected = np.searchsorted(drift_edges(COLUMN["sched_dep_time"]), clock, side="right")
        assert np.searchsorted(edges, minutes, side="right") == expected, clock
    assert traffic.rows == 0


def test_shares_of_the_profile_sum_to_one(folder: Path) -> None:
    traffic = Traffic(schema_json(), json.loads((folder / "profile.json").read_text()))
    totals: dict[str, float] = {}
    for column, _, share in traffic.trained():
        assert share > 0
        totals[column] = totals.get(column, 0.0) + share
    assert len(totals) == 16 and all(total == pytest.approx(1) for total in totals.values())
