"""What live requests look like, counted in the buckets that the training profile was counted in.

Requests leave their matrices here and go on; the counting is done in bulk, a few hundred rows at a time, so that it
costs about a microsecond a row. Nothing here can fail a request or a scrape: what cannot be counted is counted as such.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

FLUSH_ROWS = 512
SCORE_BUCKETS = 20
BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MISSING = "missing"
OTHER = "other"
MAX_BUCKETS = 128
"""Series a column: of more categories than this, those that training saw least share one bucket."""
_HALF = 0.5
_LOG = logging.getLogger("uvicorn.error")


class Traffic:
    """Bucket counts of one model version since it was loaded.

    Args:
        schema: the model's ``schema.json``, which says how each column is counted.
        profile: the model's ``profile.json``.
    """

    def __init__(self, schema: dict[str, Any], profile: dict[str, Any]) -> None:
        self.rows = 0
        self.uncounted = 0
        self.score_sum = 0.0
        self.scores = np.zeros(SCORE_BUCKETS + 1, dtype=np.int64)
        self.batches = np.zeros(len(BATCH_ROWS) + 1, dtype=np.int64)
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._pending_rows = 0
        self._columns = {
            column["name"]: _ColumnCounts(profile=profile["columns"][column["name"]], **column["drift"])
            for column in schema["columns"]
        }

    def add(self, features: np.ndarray, probabilities: np.ndarray) -> None:
        """Take note of a batch of answered rows: float32, shapes (rows, features) and (rows,)."""
        self._pending.append((features, probabilities))
        self._pending_rows += len(features)
        if self._pending_rows >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Count what was noted."""
        if not self._pending:
            return
        pending, rows = self._pending, self._pending_rows
        self._pending, self._pending_rows = [], 0
        try:
            self._count(pending)
        except Exception:
            if not self.uncounted:  # once: a log that grows with the traffic helps nobody
                _LOG.exception("rows were answered and could not be counted")
            self.uncounted += rows

    def _count(self, pending: list[tuple[np.ndarray, np.ndarray]]) -> None:
        sizes = np.searchsorted(BATCH_ROWS, [len(pair[0]) for pair in pending])
        features = np.concatenate([pair[0] for pair in pending])
        probabilities = np.concatenate([pair[1] for pair in pending]).astype(np.float64)
        scores = probabilities[np.isfinite(probabilities)]
        # As a histogram's `le` says, a border belongs to the bucket below it; below 0 is the first, above 1 +Inf.
        places = np.clip(np.ceil(scores * SCORE_BUCKETS) - 1, 0, SCORE_BUCKETS).astype(np.int64)
        counted = [column.counted(features) for column in self._columns.values()]
        self.batches += np.bincount(sizes, minlength=len(self.batches))
        self.scores += np.bincount(places, minlength=len(self.scores))
        self.score_sum += float(scores.sum())
        self.rows += len(features)
        for column, (counts, missing) in zip(self._columns.values(), counted, strict=True):
            column.counts += counts
            column.missing += missing

    def live(self) -> Iterator[tuple[str, str, int]]:
        """(column, bucket, rows) of the live traffic; a column's missing values are the bucket "missing"."""
        for name, column in self._columns.items():
            for bucket, rows in zip(column.buckets, column.counts.tolist(), strict=True):
                yield name, bucket, rows
            yield name, column.nothing, column.missing

    def trained(self) -> Iterator[tuple[str, str, float]]:
        """(column, bucket, share of rows) of the training data, over the same buckets as :meth:`live`.

        Half a row is added to every bucket, as the report's stability index does: no share is 0.
        """
        for name, column in self._columns.items():
            counts = [count + _HALF for count in column.trained]
            total = sum(counts)
            for bucket, count in zip([*column.buckets, column.nothing], counts, strict=True):
                yield name, bucket, count / total


class _ColumnCounts:
    """Counts one feature's values under the names of its column's buckets: ``drift`` of a column in schema.json.

    Attributes:
        buckets: their names, in order.
        nothing: the name of the bucket of what is missing.
        trained: how many training rows are in each bucket, and after them how many are missing.
        counts, missing: the same of live rows.
    """

    def __init__(self, feature: int, edges: list[float], buckets: list[str], profile: dict[str, Any]) -> None:
        self._position = feature
        self._edges = np.array(edges, dtype=np.float64) if edges or len(buckets) == 1 else None
        self._places: np.ndarray | None = None
        seen: dict[str, int] = profile["buckets"]
        self.buckets = buckets
        if self._edges is None:
            self.buckets = _most(buckets, seen)
            if len(self.buckets) < len(buckets):
                place = {name: number for number, name in enumerate(self.buckets)}
                self._places = np.array([place.get(name, len(place)) for name in buckets])
                rest = sum(seen.get(name, 0) for name in buckets if name not in place)
                self.buckets.append(_not_in(buckets, OTHER))
                seen = {name: seen.get(name, 0) for name in place} | {self.buckets[-1]: rest}
        self.nothing = _not_in(self.buckets, MISSING)
        self.trained = [*(seen.get(bucket, 0) for bucket in self.buckets), profile["missing"]]
        self.counts = np.zeros(len(self.buckets), dtype=np.int64)
        self.missing = 0

    def counted(self, features: np.ndarray) -> tuple[np.ndarray, int]:
        """Rows of ``features`` by bucket, and those that are missing."""
        values = features[:, self._position].astype(np.float64)
        known = values[~np.isnan(values)]
        places = known.astype(np.int64) if self._edges is None else np.searchsorted(self._edges, known, side="right")
        if self._places is not None:
            places = self._places[places]
        return np.bincount(places, minlength=len(self.counts)), len(values) - len(known)


def _most(names: list[str], seen: dict[str, int]) -> list[str]:
    """The names that get a bucket of their own, in the order they have."""
    if len(names) <= MAX_BUCKETS:
        return names
    often = set(sorted(names, key=lambda name: -seen.get(name, 0))[: MAX_BUCKETS - 1])
    return [name for name in names if name in often]


def _not_in(names: list[str], name: str) -> str:
    """``name``, made another where a category is called so: two series of one name spoil the whole scrape."""
    while name in names:
        name = f"({name})"
    return name
