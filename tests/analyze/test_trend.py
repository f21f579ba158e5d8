"""The Huber line: statsmodels RLM as oracle, invariances, and clouds without a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given
from hypothesis import strategies as st

from analyze.trend import NORMAL_QUARTILE, TUNING, HuberLine, huber_line, huber_lines


def cloud(seed: int, n: int, outliers: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0.5, 0.6, n)
    y = 0.8 * x - 0.4 + 0.1 * rng.standard_t(3, n)
    return x, y + (rng.random(n) < outliers) * rng.normal(0.5, 1.0, n)


def oracle(x: np.ndarray, y: np.ndarray) -> Any:
    return sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.HuberT()).fit()


def assert_equals_statsmodels(line: HuberLine, x: np.ndarray, y: np.ndarray) -> None:
    fit = oracle(x, y)
    assert (line.intercept, line.slope) == pytest.approx(tuple(fit.params), abs=1e-6)
    assert line.scale == pytest.approx(fit.scale, abs=1e-6)
    np.testing.assert_allclose(line.weights, fit.weights, atol=1e-6)


@pytest.mark.parametrize("outliers", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("n", [5, 12, 84, 255])
def test_equals_statsmodels(n: int, outliers: float) -> None:
    for seed in range(5):
        x, y = cloud(seed, n, outliers)
        line = huber_line(x, y)
        assert_equals_statsmodels(line, x, y)
        assert line.n == n
        assert line.converged == (line.flag == "")


@given(st.integers(0, 100_000), st.integers(4, 60), st.floats(0, 0.5))
def test_equals_statsmodels_on_any_cloud(seed: int, n: int, outliers: float) -> None:
    x, y = cloud(seed, n, outliers)
    assert_equals_statsmodels(huber_line(x, y), x, y)


def test_many_lines_equal_single_ones() -> None:
    clouds = [cloud(seed, 40, 0.2) for seed in range(30)]
    x, y = (np.array(part) for part in zip(*clouds, strict=True))
    lines = huber_lines(x, y)
    for i in range(30):
        one = huber_line(x[i], y[i])
        assert (lines.slope[i], lines.intercept[i], lines.scale[i]) == (one.slope, one.intercept, one.scale)
        np.testing.assert_array_equal(lines.weights[i], one.weights)


@given(st.integers(0, 1000), st.floats(-3, 3), st.floats(0.1, 10), st.floats(-3, 3))
def test_follows_shifts_and_stretches(seed: int, shift: float, stretch: float, tilt: float) -> None:
    x, y = cloud(seed, 30, 0.2)
    line = huber_line(x, y)
    assume(line.converged)
    moved = huber_line(x, stretch * y + shift + tilt * x)
    assert moved.slope == pytest.approx(stretch * line.slope + tilt, abs=1e-5)
    assert moved.intercept == pytest.approx(stretch * line.intercept + shift, abs=1e-5)
    assert moved.scale == pytest.approx(stretch * line.scale, abs=1e-5)


def test_is_least_squares_when_no_residual_passes_the_knee() -> None:
    x = np.arange(20.0)
    y = 2 * x + np.tile([0.1, -0.1, -0.1, 0.1], 5)
    line = huber_line(x, y)
    assert (line.slope, line.intercept) == pytest.approx(tuple(np.polyfit(x, y, 1)), abs=1e-12)
    assert (line.weights == 1).all()
    residual = np.abs(y - line.intercept - line.slope * x)
    assert line.scale == pytest.approx(np.median(residual) / NORMAL_QUARTILE)
    assert (residual <= TUNING * line.scale).all()


def test_an_outlier_loses_weight() -> None:
    x, y = cloud(0, 30, 0.0)
    y[3] += 5
    assert huber_line(x, y).weights[3] < 0.1


def test_one_point_has_no_line() -> None:
    line = huber_line([1.0], [2.0])
    assert np.isnan(line.slope)
    assert np.isnan(line.intercept)
    assert (line.flag, line.converged, line.n) == ("fewer than 3 points", False, 1)


def test_two_points_give_the_line_through_them() -> None:
    line = huber_line([0.0, 2.0], [1.0, 5.0])
    assert (line.slope, line.intercept, line.scale) == (2.0, 1.0, 0.0)
    assert (line.flag, line.converged) == ("fewer than 3 points", False)


@pytest.mark.parametrize("value", [0.0, 0.7, 1e6])
def test_equal_x_has_no_slope(value: float) -> None:
    line = huber_line([value] * 5, [1.0, 2.0, 3.0, 4.0, 9.0])
    assert np.isnan(line.slope)
    assert (line.flag, line.converged) == ("all x equal: no slope", False)


@pytest.mark.parametrize("slope", [0.0, 1.0, 0.3])
def test_points_on_a_line_have_no_scale(slope: float) -> None:
    x = np.array([0.1, 0.2, 0.4, 0.7, 1.1])
    line = huber_line(x, slope * x + 0.3)
    assert (line.slope, line.intercept) == pytest.approx((slope, 0.3), abs=1e-12)
    assert (line.scale, line.converged) == (0.0, False)
    assert line.flag == "median residual 0: most points lie on one line"


def test_scale_that_collapses_on_the_way_keeps_the_line_of_the_majority() -> None:
    # Ten points on a line, two far off it: reweighting drives the median residual to 0.
    x = np.arange(12.0)
    y = x.copy()
    y[[2, 7]] += 100.0
    line = huber_line(x, y)
    assert (line.slope, line.intercept) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert (line.slope, line.intercept) == pytest.approx(tuple(oracle(x, y).params[::-1]), abs=1e-6)
    assert (line.scale, line.converged) == (0.0, False)
    assert line.flag == "median residual 0: most points lie on one line"


def test_what_has_not_converged_says_so() -> None:
    # Four points between which the weights swing for ever; statsmodels stops after as many fits.
    lines = [huber_line(*cloud(seed, 4, 0.0)) for seed in range(40)]
    stuck = [line for line in lines if not line.converged]
    assert 0 < len(stuck) < 40
    assert {line.flag for line in stuck} == {"not converged within 50 fits"}


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "x: expected shape"),
        ([1.0, 2.0], [1.0], "equal lengths, got 2 and 1"),
        ([1.0, np.inf], [1.0, 2.0], "x: expected finite"),
        ([1.0, 2.0], [np.nan, 2.0], "y: expected finite"),
    ],
)
def test_refuses(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        huber_line(x, y)


def test_many_lines_refuse_unequal_shapes() -> None:
    with pytest.raises(ValueError, match=r"one shape \(b, n\)"):
        huber_lines(np.zeros((2, 3)), np.zeros((3, 2)))
