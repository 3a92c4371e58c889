"""What is in a part of the data, counted in fixed buckets: small enough for Git, and comparable with any other part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from slipway.files import finite
from slipway.model.problem import PROBLEM
from slipway.problem import Binary, MultiClass, Ranking, Regression
from slipway.problem.features import encode

ANSWER = "the answer"
"""The name under which the answer is counted, beside the columns."""


def described_schema() -> dict[str, Any]:
    """What every part is described by: the columns' expectations, and the buckets of each input and of the answer."""
    return {
        "columns": {column.name: column.expectation() for column in PROBLEM.columns},
        "buckets": {name: {"edges": b["edges"], "names": b["buckets"]} for name, b in _buckets().items()},
    }


def describe(frame: pd.DataFrame, answers: np.ndarray) -> dict[str, Any]:
    """What a part holds: rows, answers, and for every input and the answer the missing values and the buckets' counts.

    A column is counted by its first feature's value, so that live traffic can be counted alike.

    Args:
        frame: checked rows.
        answers: theirs, NaN where not known, shape (rows,).
    """
    buckets = _buckets()
    schema = PROBLEM.schema_json()
    first = [column["drift"]["feature"] for column in schema["columns"]]
    matrix = encode(frame, schema | {"features": [schema["features"][place] for place in first]})
    columns = {
        column.name: counted(matrix[:, place], **buckets[column.name]) for place, column in enumerate(PROBLEM.inputs)
    }
    known = answers[~np.isnan(answers)]
    return {
        "rows": len(frame),
        "answered": len(known),
        "mean": finite(float(known.mean(dtype=np.float64))) if len(known) and has_mean() else None,
        "answer": counted(answers, **buckets[ANSWER]),
        "columns": columns,
    }


def counted(values: np.ndarray, edges: list[float], buckets: list[str], feature: int = 0) -> dict[str, Any]:
    """Values by bucket: ``missing``, and ``buckets`` with a count for each that has any.

    Args:
        values: float32, shape (rows,), NaN where missing.
        edges: ascending borders; a value on one belongs to the bucket above it.
        buckets: their names; without edges, and with several names, a value is the position of its bucket.
        feature: not used: where the values stand in the matrix.
    """
    known = values[~np.isnan(values)].astype(np.float64)
    places = known.astype(int) if not edges and len(buckets) > 1 else np.searchsorted(edges, known, side="right")
    held = np.bincount(places, minlength=len(buckets))
    return {
        "missing": int(len(values) - len(known)),
        "buckets": {name: int(count) for name, count in zip(buckets, held, strict=True) if count},
    }


def has_mean() -> bool:
    """Whether a mean of the answers says something: a share, an amount, a grade."""
    return not isinstance(PROBLEM.task, MultiClass)


def in_words(part: dict[str, Any]) -> str:
    """A part's answers for a line on a terminal: `23.1% late`, `mean price 2.3e+05 USD`."""
    task, name = PROBLEM.task, PROBLEM.name.answer
    if isinstance(task, Binary):
        return f"{part['mean'] or 0:.1%} {name}"
    if isinstance(task, MultiClass):
        most = max(part["answer"]["buckets"].items(), key=lambda pair: pair[1], default=("nothing", 0))
        return f"most often {most[0]} ({most[1] / max(part['answered'], 1):.1%})"
    unit = f" {task.unit}" if isinstance(task, Regression) and task.unit else ""
    return f"mean {name} {part['mean'] or 0:.4g}{unit}"


def answer_buckets() -> dict[str, Any]:
    """The buckets that answers are counted in: ``edges`` and ``buckets``."""
    task = PROBLEM.task
    if isinstance(task, Binary):
        return {"edges": [], "buckets": ["0", "1"]}
    if isinstance(task, MultiClass):
        return {"edges": [], "buckets": list(task.classes)}
    if isinstance(task, Ranking):
        return {"edges": [], "buckets": [str(grade) for grade in range(32)]}
    edges = list(task.drift)
    if not edges and isinstance(PROBLEM.answer, str):
        column = PROBLEM.column[PROBLEM.answer]
        edges = list(column.drift_edges())
    return {"edges": edges, "buckets": [str(place) for place in range(len(edges) + 1)]}


def _buckets() -> dict[str, Any]:
    schema = {column["name"]: column["drift"] for column in PROBLEM.schema_json()["columns"]}
    return {**schema, ANSWER: answer_buckets()}
