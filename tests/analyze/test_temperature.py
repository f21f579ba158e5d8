"""Temperature: planted optima, a general optimiser as oracle, and the ends of the bracket."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from analyze.metrics.proper import negative_log_likelihood
from analyze.metrics.temperature import fit_temperature

# Probabilities in tenths, each row repeated ten times with labels in just these shares: softmax(log p) is the optimum.
SHARES = np.array([[7, 2, 1], [1, 8, 1], [3, 3, 4], [1, 1, 8]])
LABELS = np.concatenate([np.repeat([0, 1, 2], row) for row in SHARES])


def planted(temperature: float) -> np.ndarray:
    return np.repeat(np.log(SHARES / 10), 10, axis=0) * temperature


@pytest.mark.parametrize("temperature", [0.02, 0.05, 0.3, 0.963, 1.0, 1.303, 5.0, 50.0])
def test_recovers_a_planted_temperature(temperature: float) -> None:
    fit = fit_temperature(planted(temperature), LABELS)
    assert fit.temperature == pytest.approx(temperature, rel=1e-9)
    assert fit.nll == pytest.approx(negative_log_likelihood(planted(1.0), LABELS), abs=1e-12)
    assert not fit.at_bound


@pytest.mark.parametrize("temperature", [0.02, 1.0, 50.0])
def test_recovers_it_from_many_float32_rows(temperature: float) -> None:
    # Enough rows for the start on a sample and the step in single precision.
    z = np.tile(planted(temperature), (500, 1)).astype(np.float32)
    fit = fit_temperature(z, np.tile(LABELS, 500))
    assert fit.temperature == pytest.approx(temperature, rel=1e-6)


@given(st.integers(0, 10_000), st.floats(-1.5, 1.5))
def test_equals_a_general_optimiser(seed: int, log10_scale: float) -> None:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((60, 5))
    labels = np.where(rng.random(60) < 0.5, z.argmax(axis=1), rng.integers(0, 5, 60))
    z *= 10**log10_scale
    fit = fit_temperature(z, labels)
    oracle = minimize_scalar(
        lambda log_t: negative_log_likelihood(z / np.exp(log_t), labels), bounds=(-6.9, 6.9), method="bounded"
    )
    assert fit.nll <= oracle.fun + 1e-9
    assert fit.nll == pytest.approx(negative_log_likelihood(z / fit.temperature, labels), abs=1e-9)


def test_sample_start_and_plain_start_agree() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((20_000, 10)) * 3
    labels = np.where(rng.random(20_000) < 0.6, z.argmax(axis=1), rng.integers(0, 10, 20_000))
    double, single = fit_temperature(z, labels), fit_temperature(z.astype(np.float32), labels)
    assert single.temperature == pytest.approx(double.temperature, rel=1e-6)
    assert fit_temperature(z * 4, labels).temperature == pytest.approx(4 * double.temperature, rel=1e-9)
    for nearby in (1 - 1e-3, 1 + 1e-3):
        assert double.nll < negative_log_likelihood(z / (nearby * double.temperature), labels)


@pytest.mark.parametrize("margin", [1e-2, 1.0, 30.0])
def test_always_right_goes_to_the_cold_end(margin: float) -> None:
    fit = fit_temperature([[margin, 0.0], [0.0, margin]], [0, 1])
    assert (fit.temperature, fit.at_bound) == (1e-3, True)
    assert fit.nll == pytest.approx(np.log1p(np.exp(-margin / 1e-3)))


def test_worse_than_chance_goes_to_the_hot_end() -> None:
    fit = fit_temperature([[1.0, 0.0], [0.0, 1.0]], [1, 0])
    assert (fit.temperature, fit.at_bound) == (1e3, True)
    assert fit.nll == pytest.approx(np.log(2), abs=1e-3)


def test_equal_logits_leave_the_temperature_alone() -> None:
    fit = fit_temperature(np.full((3, 4), 2.5), [0, 1, 2])
    assert (fit.temperature, fit.at_bound) == (1.0, True)
    assert fit.nll == pytest.approx(np.log(4))


def test_two_tied_leaders_and_a_hopeless_class() -> None:
    # Chance between two classes at any cold temperature: the loss falls to log 2 and stays there.
    fit = fit_temperature([[50.0, 50.0, 0.0]] * 2, [0, 1])
    assert fit.at_bound
    assert fit.nll == pytest.approx(np.log(2))


def test_refuses_nan_and_foreign_labels() -> None:
    with pytest.raises(ValueError, match="finite"):
        fit_temperature([[np.nan, 0.0]], [0])
    with pytest.raises(ValueError, match="0 to 1, got 2"):
        fit_temperature([[0.0, 1.0]], [2])
