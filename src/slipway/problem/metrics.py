"""Scores of a model's answers, in NumPy alone: a trial must not wait seconds for scikit-learn to import.

Every function takes how often each row counts (a bootstrap's draw), and metrics of rankings which rows belong together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from slipway.problem.tasks import TaskKind

Function = Callable[[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None], float]
RANKS = 10
"""How many of a group's first ranks NDCG looks at."""
_DRAWS = 50


@dataclass(frozen=True)
class Metric:
    """One score.

    Args:
        name: in files, flags and lines: ``auc``.
        title: for people: ``AUC``.
        higher_is_better: its direction.
        tasks: the kinds of task it fits.
        function: from (answers, predictions, counts, groups) to the score; NaN where it is not defined. Answers are
            float32 of shape (rows,); predictions float32 of shape (rows,), or (rows, classes); counts, how often each
            row counts, float of shape (rows,), or None for once each; groups, the running number of each row's group,
            int of shape (rows,), or None.
        chance: what a model without skill gets, where that is a fixed number.
        closed_error: the standard error of a score on such answers, where there is a formula for it.
    """

    name: str
    title: str
    higher_is_better: bool
    tasks: tuple[TaskKind, ...]
    function: Function = field(repr=False, compare=False)
    chance: float | None = None
    closed_error: Callable[[float, np.ndarray], float] | None = field(default=None, repr=False, compare=False)

    def __call__(
        self,
        answers: np.ndarray,
        predictions: np.ndarray,
        counts: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> float:
        """The score; see ``function``."""
        return float(self.function(answers, predictions, counts, groups)) if len(answers) else float("nan")

    def better(self, one: float, other: float) -> bool:
        """Whether ``one`` is strictly better than ``other``."""
        return one > other if self.higher_is_better else one < other

    def gain(self, new: float, old: float) -> float:
        """By how much ``new`` is better than ``old``; negative when it is worse."""
        return new - old if self.higher_is_better else old - new

    def error(self, answers: np.ndarray, predictions: np.ndarray, groups: np.ndarray | None = None) -> float:
        """The standard error of the score on rows such as these, were they independent; NaN where it is not defined.

        By its formula where there is one, else from fifty bootstrap draws of the rows (or groups), always the same.
        """
        if self.closed_error:
            return self.closed_error(self(answers, predictions, None, groups), answers)
        if len(answers) < 2:
            return float("nan")
        random = np.random.default_rng(0)
        unit = np.arange(len(answers)) if groups is None else np.unique(groups, return_inverse=True)[1]
        number = int(unit.max()) + 1
        scores = [
            self(answers, predictions, np.bincount(random.integers(0, number, number), minlength=number)[unit], groups)
            for _ in range(_DRAWS)
        ]
        return float(np.nanstd(scores)) if not np.isnan(scores).all() else float("nan")


def sorted_auc(answers: np.ndarray, scores: np.ndarray, counts: np.ndarray | None = None) -> float:
    """The area under the ROC curve of rows that are sorted by score already, for many draws of the same rows."""
    weight = np.ones(len(answers)) if counts is None else counts.astype(float)
    positive = weight * answers
    negative = weight - positive
    last_of_tie = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    positive_up_to = np.cumsum(positive)[last_of_tie]
    negative_up_to = np.cumsum(negative)[last_of_tie]
    positive_here = np.diff(positive_up_to, prepend=0.0)
    negative_here = np.diff(negative_up_to, prepend=0.0)
    pairs = positive_up_to[-1] * negative_up_to[-1] if len(positive_up_to) else 0.0
    if not pairs:
        return float("nan")
    return float((positive_here * (negative_up_to - negative_here / 2)).sum() / pairs)


def _auc(answers: np.ndarray, scores: np.ndarray, counts: np.ndarray | None, groups: np.ndarray | None) -> float:
    """The chance that a positive row scores above a negative one, ties counting half.

    The rank-sum form of Hanley and McNeil (1982), https://doi.org/10.1148/radiology.143.1.7063747.
    """
    order = np.argsort(scores, kind="stable")  # of rows in order already this costs no more than looking at them
    return sorted_auc(answers[order], scores[order], None if counts is None else counts[order])


def auc_error(area: float, answers: np.ndarray) -> float:
    """The standard error of an AUC of ``area`` on these answers; NaN when only one kind is there.

    The closed form of Hanley and McNeil (1982): an approximation that needs no resampling.
    """
    positive = float(answers.sum())
    negative = len(answers) - positive
    if not positive or not negative:
        return float("nan")
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positive - 1) * (q1 - area**2) + (negative - 1) * (q2 - area**2)
    return float(np.sqrt(max(variance, 0.0) / (positive * negative)))


def _mean_of(losses: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Function:
    """The mean of what each row loses."""

    def mean(
        answers: np.ndarray, predictions: np.ndarray, counts: np.ndarray | None, groups: np.ndarray | None
    ) -> float:
        lost = losses(answers, predictions.astype(np.float64))
        if counts is None:
            return float(lost.mean())
        return float((lost * counts).sum() / counts.sum()) if counts.any() else float("nan")

    return mean


def _log_losses(answers: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    p = np.clip(predictions, 1e-7, 1 - 1e-7)
    if p.ndim == 2:
        lost: np.ndarray = -np.log(p[np.arange(len(p)), answers.astype(int)])
        return lost
    return -np.where(answers > 0, np.log(p), np.log1p(-p))


def _most_likely(predictions: np.ndarray) -> np.ndarray:
    return predictions.argmax(axis=1) if predictions.ndim == 2 else predictions >= 0.5


def calibration(
    answers: np.ndarray, probabilities: np.ndarray, bins: int = 10, counts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bins of equal width: (mean probability, share of 1, rows) of each bin that has rows, shape (bins with rows,).

    Args:
        answers: 0 or 1, shape (rows,).
        probabilities: of 1, shape (rows,).
        bins: how many.
        counts: how often each row counts, shape (rows,).
    """
    weight = np.ones(len(answers)) if counts is None else counts
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    rows = np.bincount(place, weights=weight, minlength=bins)
    held = rows > 0
    predicted = np.bincount(place, weights=probabilities * weight, minlength=bins)[held] / rows[held]
    observed = np.bincount(place, weights=answers * weight, minlength=bins)[held] / rows[held]
    return predicted, observed, rows[held]


def _ece(answers: np.ndarray, probabilities: np.ndarray, counts: np.ndarray | None, groups: np.ndarray | None) -> float:
    """The mean distance of probability and share over :func:`calibration`'s bins; of classes, of the most likely one.

    Naeini, Cooper, Hauskrecht (2015), https://doi.org/10.1609/aaai.v29i1.9602; Guo et al. (2017) for classes,
    https://proceedings.mlr.press/v70/guo17a.html.
    """
    if probabilities.ndim == 2:
        answers = (_most_likely(probabilities) == answers).astype(float)
        probabilities = probabilities.max(axis=1)
    predicted, observed, rows = calibration(answers, probabilities, counts=counts)
    return float((np.abs(predicted - observed) * rows).sum() / rows.sum())


def _macro_f1(
    answers: np.ndarray, predictions: np.ndarray, counts: np.ndarray | None, groups: np.ndarray | None
) -> float:
    """The mean of the classes' F1, of those classes that are answered or predicted at all."""
    weight = np.ones(len(answers)) if counts is None else counts
    said, true = _most_likely(predictions).astype(int), answers.astype(int)
    classes = predictions.shape[1]
    right = np.bincount(true, weights=weight * (said == true), minlength=classes)
    total = np.bincount(true, weights=weight, minlength=classes) + np.bincount(said, weights=weight, minlength=classes)
    return float((2 * right[total > 0] / total[total > 0]).mean())


def _root(mean: Function) -> Function:
    return lambda answers, predictions, counts, groups: float(np.sqrt(mean(answers, predictions, counts, groups)))


def _r2(answers: np.ndarray, predictions: np.ndarray, counts: np.ndarray | None, groups: np.ndarray | None) -> float:
    """The share of the answers' variance that is explained; NaN when they do not vary."""
    weight = np.ones(len(answers)) if counts is None else counts
    centre = np.average(answers.astype(np.float64), weights=weight) if weight.any() else np.nan
    spread = (weight * (answers.astype(np.float64) - centre) ** 2).sum()
    left = (weight * (answers.astype(np.float64) - predictions) ** 2).sum()
    return float(1 - left / spread) if spread > 0 else float("nan")


def _deviances(answers: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    p = np.maximum(predictions, 1e-9)
    y = answers.astype(np.float64)
    logged = np.where(y > 0, y * np.log(np.maximum(y, 1e-9) / p), 0.0)
    deviance: np.ndarray = 2 * (logged - (y - p))
    return deviance


def _by_group(
    score: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> Function:
    """The mean of a score of each group, over the groups that have something relevant.

    ``score`` is called with each row's group (0, 1, …), answer, first and last rank among its ties, and returns a score
    of each group, NaN where it has none.
    """

    def mean(answers: np.ndarray, scores: np.ndarray, counts: np.ndarray | None, groups: np.ndarray | None) -> float:
        number = np.zeros(len(answers), dtype=int) if groups is None else np.unique(groups, return_inverse=True)[1]
        first, last = _ranks(number, scores)
        found = score(number, answers.astype(np.float64), first, last)
        weight = np.ones(len(found))
        if counts is not None:
            weight[number] = counts
        held = ~np.isnan(found) & (weight > 0)
        return float(np.average(found[held], weights=weight[held])) if held.any() else float("nan")

    return mean


def _ranks(number: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last rank (0, 1, …) of each row among those of its group that score the same."""
    order = np.lexsort((-scores, number))
    group, sorted_scores = number[order], scores[order]
    new_group = np.append(True, group[1:] != group[:-1])
    new_tie = new_group | np.append(True, sorted_scores[1:] != sorted_scores[:-1])
    place = np.arange(len(order))
    rank = place - np.maximum.accumulate(np.where(new_group, place, 0))
    tie = np.cumsum(new_tie) - 1
    starts = np.flatnonzero(new_tie)
    ends = np.append(starts[1:], len(order)) - 1
    first, last = np.empty_like(rank), np.empty_like(rank)
    first[order], last[order] = rank[starts][tie], rank[ends][tie]
    return first, last


def _ndcg(number: np.ndarray, answers: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Normalised discounted cumulative gain of Järvelin and Kekäläinen (2002), https://doi.org/10.1145/582415.582418.

    Gains are 2^grade − 1, as in XGBoost. Rows that score the same share their ranks' mean discount, as McSherry and
    Najork (2008) have it: no order of the file makes a model look better.
    """
    longest = int(last.max()) + 1
    discount = np.where(np.arange(longest) < RANKS, 1 / np.log2(np.arange(longest) + 2), 0.0)
    up_to = np.append(0.0, np.cumsum(discount))
    gains = 2.0**answers - 1
    mean_discount = (up_to[last + 1] - up_to[first]) / (last - first + 1)
    ideal_first, ideal_last = _ranks(number, answers)
    ideal_discount = (up_to[ideal_last + 1] - up_to[ideal_first]) / (ideal_last - ideal_first + 1)
    got, best = (np.bincount(number, weights=gains * share) for share in (mean_discount, ideal_discount))
    return np.divide(got, best, out=np.full(len(best), np.nan), where=best > 0)


def _reciprocal_ranks(number: np.ndarray, answers: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """1 over the rank of the first relevant row; of rows that score the same the relevant ones come last."""
    relevant = answers > 0
    tie = np.unique(number * len(answers) + first, return_inverse=True)[1]
    before = np.bincount(tie, weights=~relevant)[tie]
    best = np.full(int(number.max()) + 1, np.inf)
    np.minimum.at(best, number[relevant], (first + before + 1.0)[relevant])
    return np.where(np.isinf(best), np.nan, 1 / best)


_SQUARES = _mean_of(lambda answers, predictions: (predictions - answers) ** 2)

auc = Metric("auc", "AUC", True, ("binary",), _auc, 0.5, auc_error)
logloss = Metric("logloss", "log loss", False, ("binary", "multiclass"), _mean_of(_log_losses))
brier = Metric("brier", "Brier score", False, ("binary",), _SQUARES)
ece = Metric("ece", "calibration error", False, ("binary", "multiclass"), _ece)
accuracy = Metric(
    "accuracy", "accuracy", True, ("binary", "multiclass"),
    _mean_of(lambda answers, predictions: _most_likely(predictions) == answers),
)  # fmt: skip
macro_f1 = Metric("macro_f1", "macro F1", True, ("multiclass",), _macro_f1)
rmse = Metric("rmse", "RMSE", False, ("regression",), _root(_SQUARES))
mae = Metric(
    "mae", "mean absolute error", False, ("regression",),
    _mean_of(lambda answers, predictions: np.abs(predictions - answers)),
)  # fmt: skip
r2 = Metric("r2", "R²", True, ("regression",), _r2, 0.0)
poisson_deviance = Metric("poisson_deviance", "Poisson deviance", False, ("regression",), _mean_of(_deviances))
ndcg = Metric("ndcg", f"NDCG@{RANKS}", True, ("ranking",), _by_group(_ndcg))
reciprocal_rank = Metric("reciprocal_rank", "mean reciprocal rank", True, ("ranking",), _by_group(_reciprocal_ranks))
