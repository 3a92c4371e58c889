"""What a model has learnt from, and how it answers it, in buckets: what live traffic is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slipway.problem import Binary, MultiClass, Task, evenly

_BUCKETS = 20


def profile(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The buckets of several parts added up.

    Args:
        parts: as :func:`slipway.learning.describe.describe` has them.
    """
    columns: dict[str, Any] = {}
    answer: dict[str, Any] = {"missing": 0, "buckets": {}}
    for part in parts:
        for name, column in part["columns"].items():
            _add(columns.setdefault(name, {"missing": 0, "buckets": {}}), column)
        _add(answer, part["answer"])
    return {"rows": sum(part["rows"] for part in parts), "answer": answer, "columns": columns}


def _add(total: dict[str, Any], column: dict[str, Any]) -> None:
    total["missing"] += column["missing"]
    for bucket, count in column["buckets"].items():
        total["buckets"][bucket] = total["buckets"].get(bucket, 0) + count


def score_buckets(task: Task, predicted: np.ndarray) -> dict[str, Any]:
    """A model's answers to its training rows, counted: ``edges``, ``buckets`` (their names) and ``counts``.

    Chances are counted in twenty equal parts, classes by the most likely one, numbers and scores between their own
    twentieths: a histogram of live answers has the same borders, and shows at once what is unusual.

    Args:
        task: of the model.
        predicted: its answers, shape (rows,) or (rows, classes).
    """
    if isinstance(task, MultiClass):
        counts = np.bincount(predicted.argmax(axis=1), minlength=len(task.classes))
        return {"edges": [], "buckets": list(task.classes), "counts": counts.tolist()}
    if isinstance(task, Binary):
        edges = [round(edge, 2) for edge in evenly(0, 1, _BUCKETS)]
    else:
        at = np.quantile(predicted.astype(np.float64), np.arange(1, _BUCKETS) / _BUCKETS)
        edges = sorted({float(f"{edge:.4g}") for edge in at})
    counts = np.bincount(np.searchsorted(edges, predicted, side="right"), minlength=len(edges) + 1)
    return {"edges": edges, "buckets": [str(place) for place in range(len(edges) + 1)], "counts": counts.tolist()}
