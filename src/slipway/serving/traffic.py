"""What live requests look like, counted in the buckets that the training profile was counted in.

Requests leave their matrices here and go on; the counting is done in bulk, a few hundred rows at a time, so that it
costs about a microsecond a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from slipway.model.schema import DRIFT_BUCKETS

FLUSH_ROWS = 512
SCORE_BUCKETS = 20
BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MISSING = "missing"
_HALF = 0.5
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Traffic:
    """Bucket counts of one model version since it was loaded.

    Args:
        schema: the model's ``schema.json``; the first feature of a column stands for the column.
        profile: the model's ``profile.json``.
    """

    def __init__(self, schema: dict[str, Any], profile: dict[str, Any]) -> None:
        columns = {column["name"]: column for column in schema["columns"]}
        self.rows = 0
        self.score_sum = 0.0
        self.scores = np.zeros(SCORE_BUCKETS, dtype=np.int64)
        self.batches = np.zeros(len(BATCH_ROWS) + 1, dtype=np.int64)
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._pending_rows = 0
        self._columns: dict[str, _ColumnCounts] = {}
        for position, feature in enumerate(schema["features"]):
            if feature["source"] not in self._columns:
                self._columns[feature["source"]] = _ColumnCounts(position, feature, columns[feature["source"]])
        self._profile = profile

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
        sizes = np.searchsorted(BATCH_ROWS, [len(pair[0]) for pair in self._pending])
        self.batches += np.bincount(sizes, minlength=len(self.batches))
        features = np.concatenate([pair[0] for pair in self._pending])
        probabilities = np.concatenate([pair[1] for pair in self._pending])
        self._pending, self._pending_rows = [], 0
        self.rows += len(features)
        self.score_sum += float(probabilities.sum(dtype=np.float64))
        place = np.minimum((probabilities * SCORE_BUCKETS).astype(np.int64), SCORE_BUCKETS - 1)
        self.scores += np.bincount(place, minlength=SCORE_BUCKETS)
        for column in self._columns.values():
            column.count(features)

    def live(self) -> Iterator[tuple[str, str, int]]:
        """(column, bucket, rows) of the live traffic; a column's missing values are the bucket "missing"."""
        for name, column in self._columns.items():
            for bucket, rows in zip(column.buckets, column.counts.tolist(), strict=True):
                yield name, bucket, rows
            yield name, MISSING, column.missing

    def trained(self) -> Iterator[tuple[str, str, float]]:
        """(column, bucket, share of rows) of the training data, over the same buckets as :meth:`live`.

        Half a row is added to every bucket, as the report's stability index does: no share is 0.
        """
        for name, column in self._columns.items():
            profile = self._profile["columns"][name]
            counts = [profile["buckets"].get(bucket, 0) + _HALF for bucket in column.buckets]
            counts.append(profile["missing"] + _HALF)
            total = sum(counts)
            for bucket, count in zip([*column.buckets, MISSING], counts, strict=True):
                yield name, bucket, count / total


class _ColumnCounts:
    """Counts one feature's values under the names of its column's buckets."""

    def __init__(self, position: int, feature: dict[str, Any], column: dict[str, Any]) -> None:
        self._position = position
        self._edges: np.ndarray | None = None
        if feature["encoding"] == "code":
            self.buckets = list(column["categories"])
        elif feature["encoding"] == "weekday":
            self.buckets = list(_WEEKDAYS)
        else:
            edges = _edges(feature["encoding"], column)
            self._edges = np.array(edges, dtype=np.float64)
            self.buckets = [str(bucket) for bucket in range(len(edges) + 1)]
        self.counts = np.zeros(len(self.buckets), dtype=np.int64)
        self.missing = 0

    def count(self, features: np.ndarray) -> None:
        values = features[:, self._position].astype(np.float64)
        known = values[~np.isnan(values)]
        self.missing += len(values) - len(known)
        places = known.astype(np.int64) if self._edges is None else np.searchsorted(self._edges, known, side="right")
        self.counts += np.bincount(places, minlength=len(self.counts))


def _edges(encoding: str, column: dict[str, Any]) -> list[float]:
    """The borders of :func:`slipway.model.schema.drift_edges` for an encoded value, from ``schema.json`` alone."""
    if encoding == "minutes":
        clocks = [2400 * step // DRIFT_BUCKETS for step in range(1, DRIFT_BUCKETS)]
        # 3:60 is no time of day: whatever is past it is past 4:00.
        return [float(clock // 100 * 60 + min(clock % 100, 60)) for clock in clocks]
    low, high = column["minimum"], column["maximum"]
    if low is None or high is None:
        return []
    return [low + (high - low) * step / DRIFT_BUCKETS for step in range(1, DRIFT_BUCKETS)]
