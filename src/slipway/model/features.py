"""Features: what the model sees of a flight, all of it known before departure.

Every feature is a pure function of one value of one column, with nothing fitted, so training and serving cannot differ
and the answer of one row cannot leak into another. XGBoost takes missing values as they are, so nothing is imputed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slipway.model.schema import ANSWER, COLUMN, COLUMNS, LATE_MINUTES, Column

if TYPE_CHECKING:
    import pandas as pd

Encoding = Literal["number", "minutes", "weekday", "code"]


@dataclass(frozen=True)
class Feature:
    """``name`` is the value of column ``source``, made a number by ``encoding``."""

    name: str
    source: str
    encoding: Encoding


FEATURES: tuple[Feature, ...] = (
    Feature("departure_minute", "sched_dep_time", "minutes"),
    Feature("arrival_minute", "sched_arr_time", "minutes"),
    Feature("weekday", "date", "weekday"),
    Feature("carrier", "carrier", "code"),
    Feature("origin", "origin", "code"),
    Feature("dest", "dest", "code"),
    *(
        Feature(name, name, "number")
        for name in (
            "distance", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
        )
    ),
)  # fmt: skip
NAMES = tuple(feature.name for feature in FEATURES)

if leaks := [f.source for f in FEATURES if not COLUMN[f.source].known_before_departure]:
    raise AssertionError(f"leakage: {leaks} are known only after departure and cannot be features")


def inputs() -> tuple[Column, ...]:
    """The columns a request must bring: those that some feature is made from."""
    sources = {feature.source for feature in FEATURES}
    return tuple(column for column in COLUMNS if column.name in sources)


def schema_json() -> dict[str, Any]:
    """What is stored as ``schema.json`` beside a model: enough to check and encode a request without this package."""
    return {
        "question": f"will this flight arrive {LATE_MINUTES} minutes late or more?",
        "columns": [asdict(column) | {"expectation": column.expectation()} for column in inputs()],
        "features": [asdict(feature) for feature in FEATURES],
    }


def encode(frame: pd.DataFrame) -> np.ndarray:
    """Encode checked rows.

    Args:
        frame: rows as :func:`slipway.learning.check.read_month` returns them.

    Returns:
        float32, shape (rows, features), Fortran order, NaN where a value is missing.
    """
    matrix = np.empty((len(frame), len(FEATURES)), dtype=np.float32, order="F")
    for position, feature in enumerate(FEATURES):
        values = frame[feature.source]
        if feature.encoding == "minutes":
            clock = values.to_numpy(dtype=np.float32, na_value=np.nan)
            matrix[:, position] = clock // 100 * 60 + clock % 100
        elif feature.encoding == "weekday":
            matrix[:, position] = values.dt.weekday
        elif feature.encoding == "code":
            matrix[:, position] = values.cat.codes
        else:
            matrix[:, position] = values.to_numpy(dtype=np.float32, na_value=np.nan)
    return matrix


def row_encoder(schema: dict[str, Any]) -> Callable[[dict[str, Any]], list[float]]:
    """The same encoding for one checked request row, built from a model's ``schema.json``.

    Returns a function from ``{column: value}`` (None where nothing is known) to the features in their order.
    """
    columns = {column["name"]: column for column in schema["columns"]}
    missing = float("nan")

    def number(value: Any) -> float:
        return missing if value is None else float(value)

    def minutes(value: Any) -> float:
        return missing if value is None else float(value // 100 * 60 + value % 100)

    def weekday(value: Any) -> float:
        return missing if value is None else float(date.fromisoformat(value).weekday())

    steps: list[tuple[str, Callable[[Any], float]]] = []
    for feature in schema["features"]:
        if feature["encoding"] == "code":
            codes = {name: float(code) for code, name in enumerate(columns[feature["source"]]["categories"])}
            steps.append((feature["source"], codes.__getitem__))
        else:
            steps.append(
                (
                    feature["source"],
                    {"number": number, "minutes": minutes, "weekday": weekday}[feature["encoding"]],
                )
            )
    return lambda row: [step(row[source]) for source, step in steps]


def answer(frame: pd.DataFrame) -> np.ndarray:
    """1 where the flight was late, 0 where not, NaN where it never arrived; float32, shape (rows,)."""
    delay = frame[ANSWER].to_numpy(dtype=np.float32, na_value=np.nan)
    return np.where(np.isnan(delay), np.float32("nan"), (delay >= LATE_MINUTES).astype(np.float32))
