"""Proper scores: against scikit-learn, and at the ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

from analyze.metrics.proper import brier, brier_per_image, negative_log_likelihood, negative_log_likelihood_per_image
from analyze.metrics.softmax import summarize


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((2500, 12)) * 3).astype(np.float32), rng.integers(0, 12, 2500)


def test_nll_equals_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, labels = case
    p = softmax(z.astype(np.float64), axis=1)
    assert negative_log_likelihood(z, labels) == pytest.approx(log_loss(labels, p, labels=range(12)), rel=1e-12)


def test_brier_equals_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, labels = case
    p = softmax(z.astype(np.float64), axis=1)
    oracle = brier_score_loss(labels, p, labels=range(12), scale_by_half=False)
    assert brier(z, labels) == pytest.approx(oracle, rel=1e-12)


def test_the_one_pass_agrees(case: tuple[np.ndarray, np.ndarray]) -> None:
    z, labels = case
    summary = summarize(z, labels)
    np.testing.assert_allclose(summary.nll, negative_log_likelihood_per_image(z, labels), rtol=2e-6)
    np.testing.assert_allclose(summary.brier, brier_per_image(z, labels), rtol=2e-6)


def test_the_losses_of_a_uniform_row() -> None:
    z = np.zeros((1, 1000))
    assert negative_log_likelihood(z, [3]) == pytest.approx(np.log(1000), rel=1e-14)
    assert brier(z, [3]) == pytest.approx(1 - 1 / 1000, rel=1e-14)  # (1 - 1/c)^2 + (c - 1) / c^2


@given(st.floats(-700, 700))
def test_two_classes_are_the_logistic_loss(gap: float) -> None:
    assert negative_log_likelihood([[0.0, gap]], [0]) == pytest.approx(np.logaddexp(0, gap), rel=1e-12)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6), st.floats(-100, 100))
def test_shifts_do_not_matter(row: list[float], shift: float) -> None:
    z = np.array([row])
    assert negative_log_likelihood(z + shift, [0]) == pytest.approx(negative_log_likelihood(z, [0]), abs=1e-9)
    assert brier(z + shift, [1]) == pytest.approx(brier(z, [1]), abs=1e-9)


@pytest.mark.parametrize("measure", [negative_log_likelihood, brier])
def test_refuses_nan_and_foreign_labels(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="finite"):
        measure([[np.nan, 0.0]], [0])
    with pytest.raises(ValueError, match="0 to 1, got 2"):
        measure([[0.0, 0.0]], [2])
