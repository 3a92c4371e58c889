"""Champion against challenger on the same rows: the numbers the gate decides by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipway.errors import UserError
from slipway.files import finite
from slipway.learning.ensemble import Ensemble
from slipway.learning.evaluate import SLICED_BY
from slipway.learning.matrices import MADE_BY, Months
from slipway.learning.metrics import auc, scores, sorted_auc
from slipway.model.features import row_encoder, schema_json
from slipway.model.schema import COLUMN


@dataclass(frozen=True)
class Scored:
    """One model's answers on the hold-out."""

    probabilities: np.ndarray
    scores: dict[str, float]


@dataclass(frozen=True)
class Slice:
    """One category of a column that is sliced by: its rows and each model's AUC there, None where not defined."""

    name: str
    rows: int
    challenger: float | None
    champion: float | None

    @property
    def drop(self) -> float | None:
        """By how much the challenger is worse than the champion; negative when it is better."""
        if self.challenger is None or self.champion is None:
            return None
        return self.champion - self.challenger


def score(model: Ensemble, holdout: Months, flights: Path) -> Scored:
    """Score a model on the hold-out.

    A model that was trained with other features or categories than today's cannot read today's matrices, and would
    answer nonsense without a word. It is given the months' rows in its own encoding, as a client's would be; a category
    it does not know is missing to it.

    Args:
        model: who is scored.
        holdout: the months.
        flights: the folder with the months' rows, read for such a model only.

    Raises:
        UserError: the rows are not there, or lack a column that the model reads.
    """
    features = holdout.features() if reads_alike(model) else _in_its_own_encoding(model, holdout, flights)
    probabilities = model.predict(features)
    return Scored(probabilities, {k: finite(v) for k, v in scores(holdout.answers(), probabilities).items()})


def reads_alike(model: Ensemble) -> bool:
    """Whether a model reads rows as today's ``src/slipway/model/features.py`` does."""
    return _reading(model.schema) == _reading(schema_json())


def _reading(schema: dict[str, Any]) -> list[tuple[Any, ...]]:
    categories = {column["name"]: column.get("categories") for column in schema["columns"]}
    return [(f["name"], f["source"], f["encoding"], list(categories[f["source"]] or ())) for f in schema["features"]]


def _in_its_own_encoding(model: Ensemble, holdout: Months, flights: Path) -> np.ndarray:
    """The hold-out as ``model`` reads it: float32, shape (rows, the model's features)."""
    from slipway.learning.check import read_month
    from slipway.learning.prepare import as_rows
    from slipway.model.features import answer

    columns = {column["name"]: column for column in model.schema["columns"]}
    encode, parts = row_encoder(model.schema), []
    for month in holdout:
        path = flights / f"{month.name}.csv"
        frame = read_month(path)
        frame = frame[~np.isnan(answer(frame))]
        if len(frame) != month.rows:
            raise UserError(f"{path} has {len(frame)} flights with an answer, {month.path} {month.rows}: `{MADE_BY}`.")
        if lost := [name for name in columns if name not in frame]:
            raise UserError(
                f"{model.folder} reads {lost[0]}, which the data no longer has, so it cannot be compared with: take "
                "the alias champion from it, and the floors decide."
            )
        frame = frame[list(columns)].copy()
        unknown = {}
        for name, column in columns.items():
            if column["kind"] == "category":
                unknown[name] = ~frame[name].isin(column["categories"]).to_numpy()
                frame[name] = frame[name].astype(object).mask(unknown[name], column["categories"][0])
        matrix = np.array([encode(row) for row in as_rows(frame)], dtype=np.float32)
        for position, feature in enumerate(model.schema["features"]):
            if feature["source"] in unknown:
                matrix[unknown[feature["source"]], position] = np.nan
        parts.append(matrix)
    return np.concatenate(parts)


def bootstrap_auc_difference(
    answers: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray,
    days: np.ndarray,
    resamples: int,
    confidence: float,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of the AUC difference (challenger minus champion) under a paired bootstrap of whole days.

    Both models are scored on the same draw, so what they share, above all the hard flights, cancels out. Days are drawn
    and not rows: the flights of a day share its weather and its delays, so a month is some thirty observations rather
    than its thousands of rows, and an interval from drawn rows would be several times too narrow for the next month.
    Percentile interval of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; whole clusters as
    in Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8.

    Args:
        answers: 0 or 1, shape (rows,).
        challenger: probabilities, shape (rows,).
        champion: probabilities, shape (rows,).
        days: each row's day, from 0 on, shape (rows,).
        resamples: how many times the days are drawn again.
        confidence: of the two-sided interval, for example 0.95.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        Lower and upper end.
    """
    rng = np.random.default_rng(seed)
    orders = [np.argsort(p, kind="stable") for p in (challenger, champion)]
    sorted_rows = [(answers[o], p[o]) for o, p in zip(orders, (challenger, champion), strict=True)]
    differences = np.empty(resamples)
    number = int(days.max()) + 1
    for draw in range(resamples):
        counts = np.bincount(rng.integers(0, number, number), minlength=number)[days]
        one, other = (sorted_auc(a, p, counts[o]) for (a, p), o in zip(sorted_rows, orders, strict=True))
        differences[draw] = one - other
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(differences, [tail, 1 - tail])
    return float(low), float(high)


def slices(holdout: Months, challenger: np.ndarray, champion: np.ndarray | None) -> list[Slice]:
    """Every category that the hold-out has of the columns that :mod:`slipway.learning.evaluate` slices by."""
    answers = holdout.answers()
    found = []
    for column in SLICED_BY:
        codes = holdout.column(column).astype(int)
        for code, name in enumerate(COLUMN[column].categories):
            here = codes == code
            if here.any():
                found.append(
                    Slice(
                        f"{column} {name}",
                        int(here.sum()),
                        _defined(auc(answers[here], challenger[here])),
                        None if champion is None else _defined(auc(answers[here], champion[here])),
                    )
                )
    return found


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)


def as_json(item: Slice) -> dict[str, Any]:
    """A slice for the decision's file."""
    return {"slice": item.name, "rows": item.rows, "challenger": item.challenger, "champion": item.champion}
