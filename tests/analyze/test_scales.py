"""Scales: against scipy, there and back, clipping counted, errors by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analyze.scales import TRANSFORMS, Transform, back, back_slope, place, without_noise

NAN = float("nan")


def test_probit_and_logit_equal_scipy() -> None:
    p = np.linspace(0.01, 0.99, 25)
    n = np.full(25, 1000.0)
    np.testing.assert_allclose(place(p, n, "probit").z, stats.norm.ppf(p), atol=1e-12)
    np.testing.assert_allclose(place(p, n, "logit").z, stats.logistic.ppf(p), atol=1e-12)
    np.testing.assert_array_equal(place(p, n, "linear").z, p)


@given(st.floats(1e-6, 1 - 1e-6), st.sampled_from(TRANSFORMS))
def test_there_and_back(p: float, transform: Transform) -> None:
    assert back(place([p], [NAN], transform).z, transform)[0] == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("transform", ["probit", "logit"])
def test_clips_half_an_image_from_the_ends(transform: Transform) -> None:
    placed = place([0.0, 1.0, 0.5, 0.004], [100, 100, 100, 100], transform)
    assert placed.clipped.tolist() == [True, True, False, True]
    np.testing.assert_allclose(back(placed.z, transform), [0.005, 0.995, 0.5, 0.005])


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_standard_error_is_that_of_many_test_sets(transform: Transform) -> None:
    rng = np.random.default_rng(1)
    z = place(rng.binomial(2000, 0.7, 20000) / 2000, np.full(20000, 2000.0), transform).z
    assert place([0.7], [2000], transform).error[0] == pytest.approx(z.std(), rel=0.03)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_slope_of_the_way_back(transform: Transform) -> None:
    z = np.array([-1.0, 0.2, 2.0])
    step = (back(z + 1e-6, transform) - back(z - 1e-6, transform)) / 2e-6
    np.testing.assert_allclose(back_slope(z, transform), step, rtol=1e-6)


def test_linear_takes_what_is_no_rate() -> None:
    placed = place([3.5, -1.0], [NAN, 10], "linear")
    assert placed.z.tolist() == [3.5, -1.0]
    assert np.isnan(placed.error).all()


@pytest.mark.parametrize(
    ("p", "n", "message"),
    [
        ([1.2], [10], r"rates in \[0, 1\], got 1.2"),
        ([0.0], [NAN], "number of images is not known"),
        ([NAN], [10], "finite"),
        ([0.5], [0], "at least 1 image, got 0"),
        ([0.5, 0.5], [10], r"one shape \(n,\)"),
    ],
)
def test_refuses(p: list[float], n: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        place(p, n)


def test_errors_in_x_undo_the_attenuation() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 1, 20000)
    noisy = truth + rng.normal(0, 0.5, 20000)
    y = 2 * truth
    assert np.polyfit(noisy, y, 1)[0] == pytest.approx(2 / 1.25, rel=0.02)
    assert np.polyfit(without_noise(noisy, np.full(20000, 0.5)), y, 1)[0] == pytest.approx(2, rel=0.02)


def test_noise_without_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="a spread above its noise"):
        without_noise(np.array([0.1, 0.2]), np.array([1.0, 1.0]))


def test_no_known_noise_changes_nothing() -> None:
    x = np.array([0.1, 0.5, 0.9])
    np.testing.assert_array_equal(without_noise(x, np.full(3, NAN)), x)
