"""Champion against challenger on the same rows: the numbers the gate decides by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slipway.files import finite
from slipway.model.ensemble import Ensemble
from slipway.model.features import NAMES
from slipway.model.matrices import Months
from slipway.model.metrics import auc, scores, sorted_auc
from slipway.model.schema import CARRIERS, ORIGINS

SLICED_BY = {"carrier": CARRIERS, "origin": ORIGINS}


@dataclass(frozen=True)
class Scored:
    """One model's answers on the hold-out."""

    probabilities: np.ndarray
    scores: dict[str, float]


@dataclass(frozen=True)
class Slice:
    """One carrier or origin: how many rows, and each model's AUC there (None where it is not defined)."""

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


def score(model: Ensemble, holdout: Months) -> Scored:
    """Score a model on the hold-out."""
    probabilities = model.predict(holdout.features())
    return Scored(probabilities, {k: finite(v) for k, v in scores(holdout.answers(), probabilities).items()})


def bootstrap_auc_difference(
    answers: np.ndarray, challenger: np.ndarray, champion: np.ndarray, resamples: int, confidence: float, seed: int = 0
) -> tuple[float, float]:
    """The interval of the AUC difference (challenger minus champion) under a paired bootstrap.

    Both models are scored on the same resampled rows, so what they share, above all the hard flights, cancels out.
    Percentile interval of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        answers: 0 or 1, shape (rows,).
        challenger: probabilities, shape (rows,).
        champion: probabilities, shape (rows,).
        resamples: how many times the rows are drawn again.
        confidence: of the two-sided interval, for example 0.95.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        Lower and upper end.
    """
    rng = np.random.default_rng(seed)
    orders = [np.argsort(p, kind="stable") for p in (challenger, champion)]
    sorted_rows = [(answers[o], p[o]) for o, p in zip(orders, (challenger, champion), strict=True)]
    differences = np.empty(resamples)
    for draw in range(resamples):
        counts = np.bincount(rng.integers(0, len(answers), len(answers)), minlength=len(answers))
        one, other = (sorted_auc(a, p, counts[o]) for (a, p), o in zip(sorted_rows, orders, strict=True))
        differences[draw] = one - other
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(differences, [tail, 1 - tail])
    return float(low), float(high)


def slices(holdout: Months, challenger: np.ndarray, champion: np.ndarray | None) -> list[Slice]:
    """Every carrier and origin that the hold-out has."""
    answers, features = holdout.answers(), holdout.features()
    found = []
    for column, names in SLICED_BY.items():
        codes = features[:, NAMES.index(column)].astype(int)
        for code, name in enumerate(names):
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
