"""Metrics: as scikit-learn has them, and a row that counts twice counts as two rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from slipway.problem import (
    Metric,
    accuracy,
    auc,
    brier,
    ece,
    logloss,
    macro_f1,
    mae,
    ndcg,
    poisson_deviance,
    r2,
    reciprocal_rank,
    rmse,
)  # fmt: skip
from slipway.problem.metrics import calibration

RANDOM = np.random.default_rng(3)
ROWS = 400
YES = (RANDOM.random(ROWS) < 0.3).astype(np.float32)
CHANCE = np.clip(YES * 0.2 + RANDOM.random(ROWS) * 0.8, 0, 1).round(2).astype(np.float32)  # with ties
CLASS = RANDOM.integers(0, 4, ROWS).astype(np.float32)
CHANCES = RANDOM.dirichlet([1, 1, 1, 1], ROWS).astype(np.float32)
AMOUNT = RANDOM.gamma(2, 3, ROWS).astype(np.float32)
GUESS = (AMOUNT * RANDOM.uniform(0.5, 1.5, ROWS)).astype(np.float32)
GROUP = np.repeat(np.arange(ROWS // 8), 8)
GRADE = RANDOM.integers(0, 4, ROWS).astype(np.float32)
SCORE = (GRADE + RANDOM.normal(0, 2, ROWS)).round(0).astype(np.float32)  # with ties

OF = {
    auc: (YES, CHANCE), logloss: (YES, CHANCE), brier: (YES, CHANCE), accuracy: (YES, CHANCE), ece: (YES, CHANCE),
    macro_f1: (CLASS, CHANCES), rmse: (AMOUNT, GUESS), mae: (AMOUNT, GUESS), r2: (AMOUNT, GUESS),
    poisson_deviance: (AMOUNT, GUESS), ndcg: (GRADE, SCORE), reciprocal_rank: (GRADE, SCORE),
}  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        (auc, reference.roc_auc_score(YES, CHANCE)),
        (brier, reference.brier_score_loss(YES, CHANCE)),
        (accuracy, reference.accuracy_score(YES, CHANCE >= 0.5)),
        (macro_f1, reference.f1_score(CLASS, CHANCES.argmax(axis=1), average="macro")),
        (rmse, reference.root_mean_squared_error(AMOUNT, GUESS)),
        (mae, reference.mean_absolute_error(AMOUNT, GUESS)),
        (r2, reference.r2_score(AMOUNT, GUESS)),
        (poisson_deviance, reference.mean_poisson_deviance(AMOUNT, GUESS)),
    ],
    ids=lambda value: value.name if isinstance(value, Metric) else "",
)
def test_as_scikit_learn_has_it(metric: Metric, theirs: float) -> None:
    assert metric(*OF[metric]) == pytest.approx(theirs, rel=1e-6)


def test_log_loss_of_two_answers_and_of_many() -> None:
    inside = np.clip(CHANCE, 0.01, 0.99)
    assert logloss(YES, inside) == pytest.approx(reference.log_loss(YES, inside), rel=1e-6)
    assert logloss(CLASS, CHANCES) == pytest.approx(reference.log_loss(CLASS, CHANCES), rel=1e-5)
    assert logloss(YES, np.where(YES > 0, 1.0, 0.0)) == pytest.approx(0, abs=1e-6)


def test_ndcg_is_scikit_learns_with_gains_and_ties() -> None:
    gains, scores = 2 ** GRADE.reshape(-1, 8) - 1, SCORE.reshape(-1, 8)
    theirs = np.mean([reference.ndcg_score([g], [s], k=10) for g, s in zip(gains, scores, strict=True) if g.any()])
    assert ndcg(GRADE, SCORE, None, GROUP) == pytest.approx(theirs, rel=1e-6)


def test_a_model_that_scores_all_alike_gains_nothing_from_the_order_of_the_file() -> None:
    best_first = np.float32([3, 0, 0, 0])
    flat = np.zeros(4, np.float32)
    assert ndcg(best_first, flat, None, np.zeros(4)) == ndcg(best_first[::-1], flat, None, np.zeros(4)) < 0.7
    assert reciprocal_rank(best_first, flat, None, np.zeros(4)) == 0.25


def test_a_group_without_anything_relevant_counts_nothing() -> None:
    grades, scores, groups = np.float32([0, 0, 1, 0]), np.float32([1, 2, 2, 1]), np.array([0, 0, 1, 1])
    assert ndcg(grades, scores, None, groups) == reciprocal_rank(grades, scores, None, groups) == 1.0
    assert np.isnan(ndcg(np.zeros(4, np.float32), scores, None, groups))


@pytest.mark.parametrize("metric", OF, ids=lambda metric: metric.name)
def test_a_row_that_counts_twice_is_two_rows(metric: Metric) -> None:
    answers, predictions = OF[metric]
    drawn = np.repeat(RANDOM.integers(0, 3, ROWS // 8), 8)  # whole groups
    rows = np.repeat(np.arange(ROWS), drawn)
    groups, again = (GROUP, np.repeat(np.arange(drawn.sum() // 8), 8)) if "ranking" in metric.tasks else (None, None)
    if groups is not None:
        rows = np.concatenate([np.flatnonzero(g == GROUP) for g in range(ROWS // 8) for _ in range(drawn[g * 8])])
    twice = metric(answers[rows], predictions[rows], None, again)
    assert metric(answers, predictions, drawn.astype(float), groups) == pytest.approx(twice, rel=1e-9)


@pytest.mark.parametrize("metric", OF, ids=lambda metric: metric.name)
def test_better_is_the_metrics_own_direction(metric: Metric) -> None:
    answers, predictions = OF[metric]
    perfect: Any = {"binary": YES, "multiclass": np.eye(4)[CLASS.astype(int)], "regression": AMOUNT, "ranking": GRADE}
    groups = GROUP if "ranking" in metric.tasks else None
    right = metric(answers, perfect[metric.tasks[0]], None, groups)
    found = metric(answers, predictions, None, groups)
    assert metric.better(right, found) and metric.gain(right, found) > 0 > metric.gain(found, right)
    assert 0 < metric.error(answers, predictions, groups) < 1


def test_the_error_of_a_mean_is_that_of_the_textbook() -> None:
    lost = np.abs(AMOUNT - GUESS)
    assert mae.error(AMOUNT, GUESS) == pytest.approx(lost.std() / np.sqrt(ROWS), rel=0.25)


@pytest.mark.parametrize("metric", OF, ids=lambda metric: metric.name)
def test_of_no_rows_nothing_is_known(metric: Metric) -> None:
    answers, predictions = OF[metric]
    assert np.isnan(metric(answers[:0], predictions[:0]))


def test_auc_of_one_kind_of_answer_is_not_defined() -> None:
    assert np.isnan(auc(np.ones(9, np.float32), CHANCE[:9]))


def test_calibration_error_by_hand() -> None:
    answers = np.array([0, 0, 0, 1, 1, 1, 1, 0], dtype=float)
    probabilities = np.array([0.05, 0.05, 0.05, 0.05, 0.95, 0.95, 1.0, 0.95])
    predicted, observed, rows = calibration(answers, probabilities)
    np.testing.assert_allclose(predicted, [0.05, 0.9625])
    np.testing.assert_allclose(observed, [0.25, 0.75])
    np.testing.assert_array_equal(rows, [4, 4])
    assert ece(answers, probabilities) == pytest.approx((0.2 * 4 + 0.2125 * 4) / 8)


def test_the_standard_error_of_auc_is_that_of_resampling() -> None:
    random = np.random.default_rng(3)
    answers = (random.random(2000) < 0.3).astype(float)
    probabilities = np.clip(0.3 + 0.25 * answers + random.normal(0, 0.3, 2000), 0, 1)
    resampled = [
        auc(answers, probabilities, np.bincount(random.integers(0, 2000, 2000), minlength=2000)) for _ in range(300)
    ]
    assert auc.error(answers, probabilities) == pytest.approx(np.std(resampled), rel=0.15)
