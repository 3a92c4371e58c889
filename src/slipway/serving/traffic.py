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
CHANCES = tuple(position / 20 for position in range(1, 21))
"""The borders that chances are counted between."""
BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MISSING = "missing"
OTHER = "other"
MAX_BUCKETS = 128
"""Series a column: of more categories than this, those that training saw least share one bucket."""
_HALF = 0.5
_LOG = logging.getLogger("uvicorn.error")


class Traffic:
    """Bucket counts of one model version since it was loaded.

    What is answered is counted as one more column, in the buckets that the profile has for it: a likely class, or a
    number. Beside that, numbers are counted for a histogram: chances (of several classes the largest one) in twenty
    equal parts, other answers between the twentieths of the answers to the training rows.

    Args:
        schema: the model's ``schema.json``, which says how each column is counted.
        profile: the model's ``profile.json``.

    Attributes:
        answer: the name that the answer is counted by: the problem's word for it, which no column has.
        borders: of the histogram, ascending; a border belongs to the bucket below it.
    """

    def __init__(self, schema: dict[str, Any], profile: dict[str, Any]) -> None:
        self.rows = 0
        self.uncounted = 0
        self.score_sum = 0.0
        answered = profile["scores"]
        chances = schema["task"]["kind"] in ("binary", "multiclass")
        self.borders = CHANCES if chances else tuple(float(edge) for edge in answered["edges"])
        self.scores = np.zeros(len(self.borders) + 1, dtype=np.int64)
        self.batches = np.zeros(len(BATCH_ROWS) + 1, dtype=np.int64)
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._pending_rows = 0
        self._columns = {
            column["name"]: (
                column["drift"]["feature"],
                _Counts(column["drift"]["edges"], column["drift"]["buckets"], profile["columns"][column["name"]]),
            )
            for column in schema["columns"]
        }
        self.answer = _not_in(list(self._columns), schema["name"]["answer"])
        seen = {"buckets": dict(zip(answered["buckets"], answered["counts"], strict=True)), "missing": 0}
        self._answers = _Counts(answered["edges"], answered["buckets"], seen)

    def add(self, features: np.ndarray, answers: np.ndarray) -> None:
        """Take note of a batch of answered rows: float32, shapes (rows, features) and (rows,) or (rows, classes)."""
        self._pending.append((features, answers))
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
            self.count(pending)
        except Exception:
            if not self.uncounted:  # once: a log that grows with the traffic helps nobody
                _LOG.exception("rows were answered and could not be counted")
            self.uncounted += rows

    def count(self, pending: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Count batches as :meth:`add` takes them, all or none.

        Raises:
            LookupError, ValueError: they are not of the schema.
        """
        sizes = np.searchsorted(BATCH_ROWS, [len(pair[0]) for pair in pending])
        features = np.concatenate([pair[0] for pair in pending])
        numbers = np.concatenate([pair[1] for pair in pending]).astype(np.float64)
        answers = numbers
        if numbers.ndim == 2:
            numbers, answers = numbers.max(axis=1), numbers.argmax(axis=1).astype(np.float64)
            answers[np.isnan(numbers)] = np.nan
        scores = numbers[np.isfinite(numbers)]
        places = np.searchsorted(self.borders, scores, side="left")
        columns = [(counts, counts.of(features[:, feature])) for feature, counts in self._columns.values()]
        columns.append((self._answers, self._answers.of(answers)))
        self.batches += np.bincount(sizes, minlength=len(self.batches))
        self.scores += np.bincount(places, minlength=len(self.scores))
        self.score_sum += float(scores.sum())
        self.rows += len(features)
        for counts, (rows, missing) in columns:
            counts.rows += rows
            counts.missing += missing

    def _all(self) -> Iterator[tuple[str, _Counts]]:
        for name, (_, counts) in self._columns.items():
            yield name, counts
        yield self.answer, self._answers

    def live(self) -> Iterator[tuple[str, str, int]]:
        """(column, bucket, rows) of the live traffic; a column's missing values are the bucket "missing"."""
        for name, counts in self._all():
            for bucket, rows in zip(counts.buckets, counts.rows.tolist(), strict=True):
                yield name, bucket, rows
            yield name, counts.nothing, counts.missing

    def trained(self) -> Iterator[tuple[str, str, float]]:
        """(column, bucket, share of rows) of the training data, over the same buckets as :meth:`live`.

        Half a row is added to every bucket, as the report's stability index does: no share is 0.
        """
        for name, counts in self._all():
            rows = [count + _HALF for count in counts.trained]
            total = sum(rows)
            for bucket, count in zip([*counts.buckets, counts.nothing], rows, strict=True):
                yield name, bucket, count / total


class _Counts:
    """Counts values under the names of their buckets.

    Args:
        edges: the borders between the buckets, ascending; a value on one belongs to the bucket above it. Without any, a
            value is the position of its bucket.
        buckets: their names.
        profile: ``{missing, buckets: {name: count}}`` of the training rows.

    Attributes:
        buckets: the names, in order, of which there are never many.
        nothing: the name of the bucket of what is missing.
        trained: how many training rows are in each bucket, and after them how many are missing.
        rows, missing: the same of live rows.
    """

    def __init__(self, edges: list[float], buckets: list[str], profile: dict[str, Any]) -> None:
        if edges and len(buckets) != len(edges) + 1:
            raise ValueError(f"{len(edges)} edges, {len(buckets)} buckets")
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
        self.rows = np.zeros(len(self.buckets), dtype=np.int64)
        self.missing = 0

    def of(self, values: np.ndarray) -> tuple[np.ndarray, int]:
        """How many of ``values`` are in each bucket, and how many are missing."""
        known = values[~np.isnan(values)].astype(np.float64)
        places = known.astype(np.int64) if self._edges is None else np.searchsorted(self._edges, known, side="right")
        if self._places is not None:
            places = self._places[places]
        return np.bincount(places, minlength=len(self.rows)), len(values) - len(known)


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
