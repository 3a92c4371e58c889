"""Our scores are scikit-learn's, ties and weights included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from slipway.learning.metrics import auc, auc_error, brier, calibration, ece, logloss, scores, sorted_auc


@pytest.fixture(params=range(5))
def sample(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Answers and probabilities; the probabilities are rounded, so that there are many ties."""
    random = np.random.default_rng(request.param)
    probabilities = np.round(random.beta(1, 3, 3000), 2).astype(np.float32)
    answers = (random.random(3000) < probabilities).astype(np.float32)
    return answers, probabilities


def test_auc_with_ties(sample: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probabilities = sample
    assert len(np.unique(probabilities)) < 101
    assert auc(answers, probabilities) == pytest.approx(roc_auc_score(answers, probabilities), abs=1e-12)


def test_auc_of_a_resample_is_auc_of_its_rows(sample: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probabilities = sample
    counts = np.bincount(np.random.default_rng(9).integers(0, len(answers), len(answers)), minlength=len(answers))
    expected = roc_auc_score(answers, probabilities, sample_weight=counts)
    assert auc(answers, probabilities, counts) == pytest.approx(expected, abs=1e-12)
    order = np.argsort(probabilities, kind="stable")
    assert sorted_auc(answers[order], probabilities[order], counts[order]) == pytest.approx(expected, abs=1e-12)


def test_logloss_and_brier(sample: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probabilities = sample
    kept = np.clip(probabilities.astype(float), 1e-7, 1 - 1e-7)
    assert logloss(answers, probabilities) == pytest.approx(log_loss(answers, kept), rel=1e-9)
    assert brier(answers, probabilities) == pytest.approx(brier_score_loss(answers, probabilities), rel=1e-6)


def test_certain_and_wrong_stays_finite() -> None:
    assert math.isfinite(logloss(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_calibration_error_by_hand() -> None:
    answers = np.array([0, 0, 0, 1, 1, 1, 1, 0], dtype=float)
    probabilities = np.array([0.05, 0.05, 0.05, 0.05, 0.95, 0.95, 1.0, 0.95])
    predicted, observed, rows = calibration(answers, probabilities)
    np.testing.assert_allclose(predicted, [0.05, 0.9625])
    np.testing.assert_allclose(observed, [0.25, 0.75])
    np.testing.assert_array_equal(rows, [4, 4])
    assert ece(answers, probabilities) == pytest.approx((0.2 * 4 + 0.2125 * 4) / 8)


def test_one_kind_of_answer_has_no_auc() -> None:
    found = scores(np.ones(5), np.linspace(0, 1, 5))
    assert math.isnan(found["auc"])
    assert math.isfinite(found["logloss"])
    assert math.isnan(auc(np.array([]), np.array([])))
    assert math.isnan(auc_error(0.5, np.zeros(5)))


def test_the_standard_error_of_auc_is_that_of_resampling() -> None:
    random = np.random.default_rng(3)
    answers = (random.random(2000) < 0.3).astype(float)
    probabilities = np.clip(0.3 + 0.25 * answers + random.normal(0, 0.3, 2000), 0, 1)
    resampled = [
        auc(answers, probabilities, np.bincount(random.integers(0, 2000, 2000), minlength=2000)) for _ in range(300)
    ]
    assert auc_error(auc(answers, probabilities), answers) == pytest.approx(np.std(resampled), rel=0.15)
