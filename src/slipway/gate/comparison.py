"""Champion against challenger on the same rows: the numbers the gate decides by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipway.errors import UserError
from slipway.files import finite
from slipway.learning.ensemble import Ensemble
from slipway.learning.evaluate import categories
from slipway.learning.matrices import MADE_BY, Rows
from slipway.learning.train import scores
from slipway.model.problem import PROBLEM
from slipway.problem import Binary, Metric
from slipway.problem.features import encode


@dataclass(frozen=True)
class Scored:
    """One model's answers to the hold-out, shape (rows,) or (rows, classes), and its scores."""

    predicted: np.ndarray
    scores: dict[str, float]


@dataclass(frozen=True)
class Slice:
    """One category of a column that is sliced by: its rows and each model's score there, None where not defined."""

    name: str
    rows: int
    challenger: float | None
    champion: float | None

    @property
    def drop(self) -> float | None:
        """By how much the challenger is worse than the champion; negative when it is better."""
        if self.challenger is None or self.champion is None:
            return None
        return PROBLEM.decides.gain(self.champion, self.challenger)


def score(model: Ensemble, holdout: Rows, data: Path) -> Scored:
    """Score a model on the hold-out.

    A model that was trained with other features or categories than today's cannot read today's matrices, and would
    answer nonsense without a word. It is given the rows in its own encoding, as a client's would be; a category it does
    not know is missing to it.

    Args:
        model: who is scored.
        holdout: the rows.
        data: the folder with the parts' own rows, read for such a model only.

    Raises:
        UserError: the rows are not there, or lack a column that the model reads; or the model answers another task.
    """
    if model.schema["task"]["kind"] != PROBLEM.task.kind or model.task.output != PROBLEM.task.output:
        raise UserError(
            f"{model.folder} answers another task ({model.schema['task']['kind']}) than src/slipway/model/problem.py "
            "declares, so the two cannot be compared: take the alias champion from it, and the floors decide."
        )
    features = holdout.features() if reads_alike(model) else _in_its_own_encoding(model, holdout, data)
    predicted = model.predict(features)
    found = scores(holdout.answers(), predicted, holdout)
    return Scored(predicted, {name: finite(value) for name, value in found.items()})


def reads_alike(model: Ensemble) -> bool:
    """Whether a model reads rows as today's ``src/slipway/model/features.py`` does."""
    return _reading(model.schema) == _reading(PROBLEM.schema_json())


def _reading(schema: dict[str, Any]) -> list[tuple[Any, ...]]:
    columns = {c["name"]: (list(c["categories"]), c["other"], c["hashed"]) for c in schema["columns"]}
    return [(feature, columns[feature["source"]]) for feature in schema["features"]]


def _in_its_own_encoding(model: Ensemble, holdout: Rows, data: Path) -> np.ndarray:
    """The hold-out as ``model`` reads it: float32, shape (rows, the model's features)."""
    from slipway.learning.prepare import in_order

    parts = []
    for part in holdout:
        path = data / PROBLEM.parts.file(part.name).name
        frame, answers = in_order(path)
        frame = frame[~np.isnan(answers)]
        if len(frame) != part.total:
            raise UserError(
                f"{path} has {len(frame)} {PROBLEM.name.many} with an answer, {part.path} {part.total}: `{MADE_BY}`."
            )
        if lost := [column["name"] for column in model.schema["columns"] if column["name"] not in frame]:
            raise UserError(
                f"{model.folder} reads {lost[0]}, which the data no longer has, so it cannot be compared with: take "
                "the alias champion from it, and the floors decide."
            )
        parts.append(encode(frame if part.chosen is None else frame.iloc[part.chosen], model.schema))
    return np.ascontiguousarray(np.concatenate(parts))


def bootstrap_difference(
    metric: Metric,
    answers: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray,
    units: np.ndarray,
    resamples: int,
    confidence: float,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of what the challenger gains over the champion under a paired bootstrap of whole units.

    Both models are scored on the same draw, so what they share, above all the hard rows, cancels out. Units are drawn
    and not rows, where rows are alike for reasons of their own: what is sold on a day shares its weather, so thirty
    days are some thirty observations rather than their thousands of rows, and an interval from drawn rows would be
    several times too narrow for the next thirty. Percentile interval of Efron and Tibshirani, An Introduction to the
    Bootstrap (1993), chapter 13; whole clusters as in Davison and Hinkley, Bootstrap Methods and their Application
    (1997), section 3.8.

    Args:
        metric: what is compared; a gain is in its own direction.
        answers: shape (rows,).
        challenger: its answers, shape (rows,) or (rows, classes).
        champion: the same of the champion.
        units: which rows are drawn together, from 0 on, shape (rows,).
        resamples: how many times they are drawn again.
        confidence: of the two-sided interval, for example 0.95.
        groups: which rows are ranked together, shape (rows,).
        seed: of the draws; the same seed gives the same interval.

    Returns:
        Lower and upper end, positive where the challenger is better; NaN when no draw can be scored.
    """
    rng = np.random.default_rng(seed)
    orders = [_by_score(predicted) for predicted in (challenger, champion)]
    sorted_rows = [(answers[o], p[o]) for o, p in zip(orders, (challenger, champion), strict=True)]
    gains = np.empty(resamples)
    number = int(units.max()) + 1
    for draw in range(resamples):
        counts = np.bincount(rng.integers(0, number, number), minlength=number)[units].astype(float)
        new, old = (metric(a, p, counts[o], groups) for (a, p), o in zip(sorted_rows, orders, strict=True))
        gains[draw] = metric.gain(new, old)
    if np.isnan(gains).all():
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(gains, [tail, 1 - tail])
    return float(low), float(high)


def _by_score(predicted: np.ndarray) -> Any:
    """An order in which metrics of chances need not sort again; as it is, where rows have groups or classes."""
    return np.argsort(predicted, kind="stable") if isinstance(PROBLEM.task, Binary) else np.arange(len(predicted))


def slices(holdout: Rows, challenger: np.ndarray, champion: np.ndarray | None) -> list[Slice]:
    """Every category that the hold-out has of the columns that the problem slices by."""
    answers, groups = holdout.answers(), holdout.groups()

    def there(predicted: np.ndarray, here: np.ndarray) -> float | None:
        found = PROBLEM.decides(answers[here], predicted[here], None, None if groups is None else groups[here])
        return None if np.isnan(found) else round(found, 6)

    found = []
    for column in PROBLEM.slices:
        source = next(f.name for f in PROBLEM.features if f.source == column)
        codes = np.nan_to_num(holdout.column(source), nan=-1).astype(int)
        for name, here in categories(column, codes):
            rows = int(here.sum())
            new, old = there(challenger, here), None if champion is None else there(champion, here)
            found.append(Slice(f"{column} {name}", rows, new, old))
    return found


def as_json(item: Slice) -> dict[str, Any]:
    """A slice for the decision's file."""
    return {"slice": item.name, "rows": item.rows, "challenger": item.challenger, "champion": item.champion}
