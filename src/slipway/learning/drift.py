"""How far one period's data has moved from another's, column by column, from the counts in reports/data.json.

Counts in fixed buckets are all that is needed: no row is read, so the comparison works for any two commits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from slipway.model.problem import PROBLEM

Counts = Mapping[str, Any]
"""One column of a part: ``missing`` and ``buckets`` (count by bucket), as `slipway prepare` describes it."""
Buckets = Mapping[str, Any]
"""How columns are counted, by name: ``edges`` and ``names`` of the buckets, as reports/data.json says."""

_HALF = 0.5  # added to every bucket: an empty one must not make the index infinite
_SHOWN_CATEGORIES = 12


@dataclass(frozen=True)
class Drift:
    """How one column moved.

    ``labels``, ``before`` and ``after`` have one entry for each bucket; ``missing`` is the share of missing values
    before and after. The shares of a side and its missing sum to 1. ``index`` is None where the periods cannot be
    compared, and ``reason`` says why.
    """

    name: str
    index: float | None
    level: Literal["", "warning", "alert"]
    numeric: bool
    labels: list[str]
    before: list[float]
    after: list[float]
    missing: tuple[float, float]
    reason: str = ""

    @property
    def unit(self) -> str:
        """The column's unit, if the schema knows one."""
        return PROBLEM.column[self.name].unit if self.name in PROBLEM.column else ""


def stability_index(before: Sequence[float], after: Sequence[float]) -> float:
    """The population stability index of two lists of counts: Σ (a − b) ln(a ÷ b) over the buckets' shares.

    It is 0 for equal shares and grows without bound. Half a count is added to every bucket. The index is Jeffreys'
    divergence (1946, https://doi.org/10.1098/rspa.1946.0056); its use on scorecards and the customary limits 0.1 and
    0.25 are in Siddiqi, Credit Risk Scorecards (2006); how it behaves on samples is in Yurdakul and Naranjo,
    Statistical properties of the population stability index, Journal of Risk Model Validation 14(4), 2020.

    Args:
        before: counts, shape (buckets,).
        after: counts of the same buckets.
    """
    total_before = sum(before) + _HALF * len(before)
    total_after = sum(after) + _HALF * len(after)
    index = 0.0
    for old, new in zip(before, after, strict=True):
        share_old, share_new = (old + _HALF) / total_before, (new + _HALF) / total_after
        index += (share_new - share_old) * math.log(share_new / share_old)
    return index


def drift(
    before: Mapping[str, Counts],
    after: Mapping[str, Counts],
    warning: float,
    alert: float,
    buckets_before: Buckets,
    buckets_after: Buckets,
) -> list[Drift]:
    """How each column of ``after`` moved against ``before``, the furthest first; what cannot be compared comes last.

    Args:
        before: counts by column.
        after: counts by column.
        warning: from which index a column is named.
        alert: from which index it is an alert.
        buckets_before: how each column was counted then. Counts are only comparable while the buckets are the same.
        buckets_after: how it is counted now.
    """
    found = []
    for name, counts in after.items():
        old = before.get(name, {"missing": 0, "buckets": {}})
        held = buckets_after.get(name) or {"edges": [], "names": list(counts["buckets"])}
        labels, numeric, keys = _buckets(name, held, old["buckets"], counts["buckets"])
        were, are = _in_order(old, keys), _in_order(counts, keys)
        index, reason = None, ""
        if name not in before:
            reason = "new column"
        elif numeric and (buckets_before.get(name) or {}).get("edges") != held["edges"]:
            reason = "its range in the schema changed, so the buckets differ"
        elif not sum(were) or not sum(are):
            reason = "no rows"
        else:
            gaps = bool(were[-1] or are[-1])
            index = stability_index(were, are) if gaps else stability_index(were[:-1], are[:-1])
        level = _level(index, warning, alert)
        shares_were, shares_are = _shares(were), _shares(are)
        missing = (shares_were[-1], shares_are[-1])
        found.append(Drift(name, index, level, numeric, labels, shares_were[:-1], shares_are[:-1], missing, reason))
    return sorted(found, key=lambda entry: (entry.index is None, -(entry.index or 0.0), entry.name))


def panel(moved: Drift) -> dict[str, Any]:
    """What :func:`slipway.plots.plots.draw_drift` draws of a column; of many categories only the most moved."""
    kept = list(range(len(moved.labels)))
    if not moved.numeric and len(kept) > _SHOWN_CATEGORIES:
        most = sorted(kept, key=lambda place: -abs(moved.after[place] - moved.before[place]))[:_SHOWN_CATEGORIES]
        kept = sorted(most, key=lambda place: -moved.before[place])
    return {
        "name": moved.name,
        "unit": moved.unit,
        "index": moved.index,
        "level": moved.level,
        "numeric": moved.numeric,
        "labels": [moved.labels[place] for place in kept],
        "before": [moved.before[place] for place in kept],
        "after": [moved.after[place] for place in kept],
        "missing": moved.missing,
    }


def _level(index: float | None, warning: float, alert: float) -> Literal["", "warning", "alert"]:
    if index is None or index < min(warning, alert):
        return ""
    return "alert" if index >= alert else "warning"


def _buckets(
    name: str, held: Mapping[str, Any], before: Mapping[str, int], after: Mapping[str, int]
) -> tuple[list[str], bool, list[str]]:
    """Labels, whether the buckets are in order, and keys; of a numeric column only the stretch that is in use."""
    edges, names = held["edges"], list(held["names"])
    used = {**before, **after}
    if edges and all(key in names for key in used):
        places = sorted(names.index(key) for key in used) or [0]
        stretch = range(places[0], places[-1] + 1)
        if names == [str(place) for place in range(len(names))]:
            clock = name in PROBLEM.column and PROBLEM.column[name].kind == "clock"
            low = 2 * edges[0] - edges[1] if len(edges) > 1 else edges[0]
            return [_edge([low, *edges][place], clock) for place in stretch], True, [names[place] for place in stretch]
        return [names[place] for place in stretch], False, [names[place] for place in stretch]
    keys = list({**dict.fromkeys(key for key in names if key in used), **used})
    if name in PROBLEM.column and PROBLEM.column[name].kind != "date":  # weekdays have an order of their own
        keys.sort(key=lambda key: (-before.get(key, 0), -after.get(key, 0), key))
    return keys, False, keys


def _edge(value: float, clock: bool) -> str:
    if clock:
        return f"{int(value) // 60:02}:{int(value) % 60:02}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _in_order(counts: Counts, keys: Sequence[str]) -> list[float]:
    """The counts of the buckets, and last the missing values."""
    return [*(counts["buckets"].get(key, 0) for key in keys), counts["missing"]]


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts] if total else [0.0] * len(counts)
