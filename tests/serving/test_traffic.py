"""Live traffic is counted in the very buckets of the training profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway.serving.traffic import MAX_BUCKETS, MISSING, Traffic
from tests.serving.departures import schema_json


def test_rows_are_counted_as_the_profile_counts_them(features: np.ndarray, folder: Path) -> None:
    profile = json.loads((folder / "profile.json").read_text())
    traffic = Traffic(schema_json(), profile)
    for start in range(0, len(features), 37):
        part = features[start : start + 37]
        traffic.add(part, np.full(len(part), 0.25, dtype=np.float32))
    traffic.flush()
    counted: dict[str, dict[str, int]] = {}
    for column, bucket, rows in traffic.live():
        counted.setdefault(column, {})[bucket] = rows
    assert traffic.rows == profile["rows"] == 6000
    assert counted.pop("late") == {str(bucket): 6000 * (bucket == 5) for bucket in range(20)} | {MISSING: 0}
    assert counted.keys() == profile["columns"].keys()
    for name, column in profile["columns"].items():
        assert counted[name].pop(MISSING) == column["missing"], name
        assert counted[name] == column["buckets"], name
    assert traffic.scores.tolist() == [0] * 4 + [6000] + [0] * 16


def test_a_value_on_a_border_belongs_to_the_bucket_above_it(features: np.ndarray, folder: Path) -> None:
    schema = schema_json()
    column = next(column for column in schema["columns"] if column["name"] == "distance")
    rows = np.repeat(features[:1], 3, axis=0)
    border = column["drift"]["edges"][4]
    rows[:, column["drift"]["feature"]] = [np.nextafter(np.float32(border), np.float32(0)), border, border + 1]
    traffic = Traffic(schema, json.loads((folder / "profile.json").read_text()))
    traffic.add(rows, np.full(3, 0.25, dtype=np.float32))
    traffic.flush()
    counted = {bucket: rows for name, bucket, rows in traffic.live() if name == "distance" and rows}
    assert counted == {"4": 1, "5": 2}


def counted(traffic: Traffic) -> dict[str, int]:
    """The rows of the first column that is counted by code, by bucket."""
    return {bucket: rows for column, bucket, rows in traffic.live() if column == "customer"}


def customers(number: int, *, often: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema with one column of so many categories, and a profile that saw the first ``often`` most."""
    names = [f"c{i}" for i in range(number)]
    column = {
        "name": "customer", "kind": "category", "nullable": True, "categories": names, "minimum": None, "maximum": None,
        "drift": {"feature": 0, "edges": [], "buckets": names},
    }  # fmt: skip
    schema = {
        "name": {"answer": "bought"},
        "task": {"kind": "binary"},
        "columns": [column],
        "features": [{"name": "customer", "source": "customer", "encoding": "code"}],
    }
    seen = {name: 100 if i < often else 1 for i, name in enumerate(names)}
    return schema, {
        "rows": sum(seen.values()),
        "columns": {"customer": {"buckets": seen, "missing": 0}},
        "scores": {"edges": [0.5], "buckets": ["0", "1"], "counts": [1, 1]},
    }


def test_a_column_of_ten_thousand_categories_is_a_hundred_series() -> None:
    """Those that training saw most have a bucket each, the others one; live rows and the profile have the same."""
    schema, profile = customers(9894, often=50)
    traffic = Traffic(schema, profile)
    codes = np.array([[0.0], [49.0], [9893.0], [9000.0], [np.nan]], dtype=np.float32)
    traffic.add(codes, np.full(5, 0.5, dtype=np.float32))
    traffic.flush()
    found = counted(traffic)
    assert len(found) == MAX_BUCKETS + 1
    assert {bucket: rows for bucket, rows in found.items() if rows} == {"c0": 1, "c49": 1, "other": 2, MISSING: 1}
    shares = {bucket: share for column, bucket, share in traffic.trained() if column == "customer"}
    assert shares.keys() == found.keys() and sum(shares.values()) == pytest.approx(1)
    others = 9894 - (MAX_BUCKETS - 1)
    assert shares["other"] == pytest.approx(others / (50 * 100 + 9844), rel=0.01)


def test_no_two_series_have_one_name() -> None:
    """A category may be called what the buckets of the rest are called: twice the same series spoils a scrape."""
    schema, profile = customers(300)
    names = [MISSING, "other", "(other)", *schema["columns"][0]["categories"]]
    schema["columns"][0]["categories"] = schema["columns"][0]["drift"]["buckets"] = names
    profile["columns"]["customer"]["buckets"] |= dict.fromkeys(names[:3], 500)
    traffic = Traffic(schema, profile)
    buckets = [bucket for column, bucket, _ in traffic.live() if column == "customer"]
    assert len(set(buckets)) == len(buckets) == MAX_BUCKETS + 1
    assert {MISSING, "other", "(other)", "((other))", f"({MISSING})"} <= set(buckets)


def test_an_answer_of_any_size_is_counted_or_left_out(folder: Path, features: np.ndarray) -> None:
    """Negative, above 1, infinite, none: the model is the team's own, and its traffic is counted all the same."""
    traffic = Traffic(schema_json(), json.loads((folder / "profile.json").read_text()))
    answers = np.array([-3.5, -0.0, 0.05, 0.051, 1.0, 7.0, np.inf, -np.inf, np.nan], dtype=np.float32)
    traffic.add(features[: len(answers)], answers)
    traffic.flush()
    assert traffic.scores.tolist() == [2, 2] + [0] * 17 + [1, 1]
    assert traffic.score_sum == pytest.approx(4.601)
    assert (traffic.rows, traffic.uncounted) == (9, 0)


def test_what_cannot_be_counted_is_said_and_harms_nobody(folder: Path, features: np.ndarray) -> None:
    traffic = Traffic(schema_json(), json.loads((folder / "profile.json").read_text()))
    wrong = np.full((600, features.shape[1]), -7, dtype=np.float32)  # codes that no category has
    traffic.add(wrong, np.zeros(600, dtype=np.float32))
    traffic.add(features[:5], np.zeros(5, dtype=np.float32))
    traffic.flush()
    assert (traffic.rows, traffic.uncounted) == (5, 600)
    assert sum(rows for column, _, rows in traffic.live() if column == "carrier") == 5


def test_shares_of_the_profile_sum_to_one(folder: Path) -> None:
    traffic = Traffic(schema_json(), json.loads((folder / "profile.json").read_text()))
    totals: dict[str, float] = {}
    for column, _, share in traffic.trained():
        assert share > 0
        totals[column] = totals.get(column, 0.0) + share
    assert len(totals) == 17 and all(total == pytest.approx(1) for total in totals.values())
