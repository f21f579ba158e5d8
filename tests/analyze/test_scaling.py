from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from analyze.metrics.calibration import expected_calibration_error
from analyze.metrics.proper import negative_log_likelihood
from analyze.metrics.scaling import fit_isotonic, fit_vector_scaling
from analyze.metrics.temperature import fit_temperature


def test_recovers_planted_scales_and_never_loses_to_a_temperature() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((20_000, 3)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=2)
    distorted = (z - [0.5, 0.0, -0.5]) * [2.0, 0.5, 1.0]
    fit = fit_vector_scaling(distorted, labels)
    assert fit.converged
    assert fit.weight == pytest.approx([0.5, 2.0, 1.0], rel=0.06)
    assert fit.bias == pytest.approx([0.5, 0.0, -0.5], abs=0.05)
    assert fit.nll == pytest.approx(negative_log_likelihood(fit.logits(distorted), labels))
    assert fit.nll < fit_temperature(distorted, labels).nll


def test_of_two_classes_it_is_logistic_regression() -> None:
    rng = np.random.default_rng(1)
    z = rng.standard_normal((500, 2))
    labels = (rng.random(500) < 1 / (1 + np.exp(z[:, 0] - 2 * z[:, 1] + 0.3))).astype(int)
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(z, labels)
    fit = fit_vector_scaling(z, labels)
    assert fit.weight == pytest.approx([-oracle.coef_[0, 0], oracle.coef_[0, 1]], abs=1e-3)
    assert fit.bias[1] - fit.bias[0] == pytest.approx(oracle.intercept_[0], abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 12).map(lambda x: x / 12), st.booleans()), min_size=1, max_size=60))
def test_isotonic_equals_scikit_learn(case: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([c for c, _ in case]), np.array([y for _, y in case])
    oracle = IsotonicRegression(out_of_bounds="clip").fit(confidence, correct)
    fit = fit_isotonic(confidence, correct)
    assert fit.confidence(confidence) == pytest.approx(oracle.predict(confidence))
    assert (np.diff(fit.value) > 0).all()
    # Where it was fitted it is calibrated: each step's accuracy is its confidence.
    assert expected_calibration_error(fit.confidence(confidence), correct, 1000) == pytest.approx(0.0, abs=1e-12)


def test_refuses() -> None:
    for confidence, correct in (([], []), ([np.nan], [1]), ([0.5], [1, 0])):
        with pytest.raises(ValueError):
            fit_isotonic(confidence, correct)
    with pytest.raises(ValueError, match="NaN"):
        fit_vector_scaling([[np.nan, 0.0]], [0])
    with pytest.raises(ValueError, match="class indices"):
        fit_vector_scaling([[0.0, 0.0]], [2])
