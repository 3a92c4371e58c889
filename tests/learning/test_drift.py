"""Drift: the index by its definition, and honest words where two periods cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy

from slipway.learning.drift import Drift, drift, panel, stability_index
from slipway.problem import Column, evenly

TEMP = {"edges": list(evenly(-40, 130)), "names": [str(place) for place in range(20)]}
BUCKETS = {
    "temp": TEMP,
    "carrier": {"edges": [], "names": ["AA", "UA"]},
    "date": {"edges": [], "names": ["Mon", "Tue"]},
}


def column(missing: int = 0, **buckets: int) -> dict[str, Any]:
    """A column of a month as `slipway prepare` counts it; ``_3=5`` is five rows in bucket 3."""
    return {"missing": missing, "buckets": {name.removeprefix("_"): count for name, count in buckets.items()}}


def moved(before: dict[str, Any], after: dict[str, Any], then: dict[str, Any] | None = None) -> list[Drift]:
    """Drift at the customary levels."""
    return drift(before, after, 0.1, 0.25, then or BUCKETS, BUCKETS)


def test_the_index_is_jeffreys_divergence_of_the_smoothed_shares() -> None:
    before, after = np.array([30, 50, 20, 0]), np.array([300, 200, 400, 100])
    p = (before + 0.5) / (before + 0.5).sum()
    q = (after + 0.5) / (after + 0.5).sum()
    expected = entropy(p, q) + entropy(q, p)
    assert stability_index(list(before), list(after)) == pytest.approx(expected, rel=1e-12)
    assert stability_index(list(after), list(before)) == pytest.approx(expected, rel=1e-12)
    assert stability_index([7, 7], [7, 7]) == 0
    assert np.isfinite(stability_index([0, 100], [100, 0]))


def test_levels_and_order() -> None:
    before = {"temp": column(_1=100, _2=100), "carrier": column(AA=500, UA=500), "date": column(Mon=100, Tue=100)}
    after = {"temp": column(_1=100, _2=160), "carrier": column(AA=900, UA=100), "date": column(Mon=101, Tue=100)}
    found = moved(before, after)
    assert [entry.name for entry in found] == ["carrier", "temp", "date"]
    assert [entry.level for entry in found] == ["alert", "", ""]
    assert [entry.level for entry in drift(before, after, 0.01, 9.0, BUCKETS, BUCKETS)] == ["warning", "warning", ""]


def test_what_goes_missing_is_drift() -> None:
    [found] = moved({"temp": column(missing=5, _1=95)}, {"temp": column(missing=60, _1=40)})
    assert found.level == "alert"
    assert found.missing == (0.05, 0.6)
    assert (found.before, found.after, found.labels) == ([0.95], [0.4], ["-31.5"])


def test_a_range_that_changed_is_not_compared() -> None:
    [found] = moved({"temp": column(_1=9)}, {"temp": column(_8=9)}, {"temp": TEMP | {"edges": list(evenly(-100, 200))}})
    assert found.index is None and found.level == ""
    assert found.reason == "its range in the schema changed, so the buckets differ"
    [same] = moved({"temp": column(_1=9)}, {"temp": column(_1=9)}, {"temp": dict(TEMP)})
    assert same.index == 0


def test_a_new_column_and_an_empty_one_come_last() -> None:
    found = moved(
        {"carrier": column(AA=1), "temp": column()},
        {"temp": column(_1=4), "date": column(Mon=1), "carrier": column(AA=2)},
    )
    assert [(entry.name, entry.reason) for entry in found] == [
        ("carrier", ""), ("date", "new column"), ("temp", "no rows"),
    ]  # fmt: skip


def test_a_numeric_column_shows_the_stretch_in_use_with_its_gaps() -> None:
    [found] = moved({"temp": column(_2=10, _4=10)}, {"temp": column(_4=10, _6=10)})
    assert found.numeric
    assert len(found.labels) == 5 and found.labels[0] == "-23"
    assert found.before == [0.5, 0, 0.5, 0, 0] and found.after == [0, 0, 0.5, 0, 0.5]


def test_of_many_categories_the_plot_shows_those_that_moved_most() -> None:
    before = {f"K{place:02}": 100 for place in range(40)}
    after = before | {"K07": 900, "NEW": 50}
    [found] = moved({"carrier": column(**before)}, {"carrier": column(**after)})
    assert len(found.labels) == 41
    shown = panel(found)
    assert len(shown["labels"]) == 12
    assert {"K07", "NEW"} <= set(shown["labels"])
    assert shown["before"] == sorted(shown["before"], reverse=True)


def test_a_category_named_missing_is_a_category() -> None:
    [found] = moved({"carrier": column(10, _missing=90)}, {"carrier": column(90, _missing=10)})
    assert found.labels == ["missing"]
    assert (found.before, found.after, found.missing) == ([0.9], [0.1], (0.1, 0.9))
    assert found.level == "alert"


@pytest.mark.parametrize(
    "limits",
    [
        {"minimum": 0, "maximum": 100_000},
        {"minimum": 0},
        {"maximum": 100_000},
        {},
        {"minimum": -100_000, "maximum": 100_000},
    ],
    ids=["a wide range", "no end", "no beginning", "no range", "around 0"],
)
@pytest.mark.parametrize("scale", [3.0, 300.0])
def test_values_that_grow_tenfold_are_drift_whatever_they_may_be(limits: dict[str, float], scale: float) -> None:
    edges = Column("amount", "number", "what was paid", **limits).drift_edges()  # type: ignore[arg-type]
    names = [str(place) for place in range(len(edges) + 1)]
    values = np.random.default_rng(5).uniform(0.5 * scale, 1.5 * scale, 1_000)

    def counted(values: np.ndarray) -> dict[str, Any]:
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(names))
        return {"missing": 0, "buckets": {name: int(count) for name, count in zip(names, counts, strict=True)}}

    buckets = {"amount": {"edges": list(edges), "names": names}}
    [found] = drift({"amount": counted(values)}, {"amount": counted(10 * values)}, 0.1, 0.25, buckets, buckets)
    assert found.level == "alert"
    assert found.index is not None and found.index > 1
    assert len(edges) < 128, "what /metrics shows of a column has an end"
