"""Scores of predicted probabilities, in NumPy alone: a trial must not wait seconds for scikit-learn to import."""

from __future__ import annotations

import numpy as np

HIGHER_IS_BETTER = {"auc": True, "logloss": False, "brier": False, "ece": False}
"""Which way is better; a metric that is not in here is shown without a judgement."""


def auc(answers: np.ndarray, scores: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Area under the ROC curve: the chance that a late flight scores above a punctual one, ties counting half.

    Args:
        answers: 0 or 1, shape (rows,).
        scores: any real numbers, shape (rows,).
        counts: how often each row counts (a bootstrap resample), shape (rows,); once each when None.

    Returns:
        0 to 1; NaN when only one kind of answer is there. The rank-sum form of Hanley and McNeil (1982),
        https://doi.org/10.1148/radiology.143.1.7063747.
    """
    order = np.argsort(scores, kind="stable")
    return sorted_auc(answers[order], scores[order], None if counts is None else counts[order])


def sorted_auc(answers: np.ndarray, scores: np.ndarray, counts: np.ndarray | None = None) -> float:
    """:func:`auc` of rows that are already sorted by score, for many resamples of the same rows."""
    weight = np.ones(len(answers)) if counts is None else counts.astype(float)
    late = weight * answers
    punctual = weight - late
    last_of_tie = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    late_up_to = np.cumsum(late)[last_of_tie]
    punctual_up_to = np.cumsum(punctual)[last_of_tie]
    late_here = np.diff(late_up_to, prepend=0.0)
    punctual_here = np.diff(punctual_up_to, prepend=0.0)
    pairs = late_up_to[-1] * punctual_up_to[-1] if len(late_up_to) else 0.0
    if not pairs:
        return float("nan")
    return float((late_here * (punctual_up_to - punctual_here / 2)).sum() / pairs)


def auc_error(area: float, answers: np.ndarray) -> float:
    """The standard error of an AUC of ``area`` on these answers; NaN when only one kind is there.

    The closed form of Hanley and McNeil (1982): an approximation that needs no resampling.
    """
    late = float(answers.sum())
    punctual = len(answers) - late
    if not late or not punctual:
        return float("nan")
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (late - 1) * (q1 - area**2) + (punctual - 1) * (q2 - area**2)
    return float(np.sqrt(max(variance, 0.0) / (late * punctual)))


def logloss(answers: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-likelihood in nats; probabilities are kept 1e-7 away from 0 and 1."""
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(answers > 0, np.log(p), np.log1p(-p))))


def brier(answers: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance of probability and answer, https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2."""
    return float(np.mean((probabilities.astype(np.float64) - answers) ** 2))


def calibration(
    answers: np.ndarray, probabilities: np.ndarray, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bins of equal width: (mean probability, share late, rows) of each bin that has rows, shape (bins with rows,)."""
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    rows = np.bincount(place, minlength=bins)
    held = rows > 0
    predicted = np.bincount(place, weights=probabilities, minlength=bins)[held] / rows[held]
    observed = np.bincount(place, weights=answers, minlength=bins)[held] / rows[held]
    return predicted, observed, rows[held]


def ece(answers: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: the mean distance of probability and share late over :func:`calibration`'s bins.

    Naeini, Cooper, Hauskrecht (2015), https://doi.org/10.1609/aaai.v29i1.9602.
    """
    predicted, observed, rows = calibration(answers, probabilities, bins)
    return float((np.abs(predicted - observed) * rows).sum() / rows.sum())


def scores(answers: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """All of the above by name; AUC is NaN when only one kind of answer is there."""
    return {
        "auc": auc(answers, probabilities),
        "logloss": logloss(answers, probabilities),
        "brier": brier(answers, probabilities),
        "ece": ece(answers, probabilities),
    }
