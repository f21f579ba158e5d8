"""Probit and its inverse: scipy, round trips, clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from analyze.transforms import inverse_probit, probit


@given(st.floats(1e-9, 1 - 1e-9))
def test_round_trip(p: float) -> None:
    assert inverse_probit(probit(p)) == pytest.approx(p, rel=1e-9)
    assert probit(p) == pytest.approx(norm.ppf(p), rel=1e-9, abs=1e-9)


@given(st.floats(0, 1), st.integers(1, 100_000))
def test_clipping_keeps_half_an_image_of_distance(p: float, n: int) -> None:
    z = probit(p, n)
    assert np.isfinite(z)
    assert z == pytest.approx(norm.ppf(min(max(p, 0.5 / n), 1 - 0.5 / n)), rel=1e-9, abs=1e-9)
    assert probit(1 - p, n) == pytest.approx(-z, rel=1e-6, abs=1e-6)


def test_arrays_clip_each_by_its_own_n() -> None:
    z = probit(np.array([0.0, 1.0, 0.5]), np.array([10, 1000, 1]))
    np.testing.assert_allclose(z, norm.ppf([0.05, 0.9995, 0.5]), atol=1e-12)


def test_the_shape_follows_the_input() -> None:
    assert isinstance(probit(0.3), float)
    assert isinstance(probit(np.float64(0.3), 5), float)
    assert probit([0.3, 0.4]).shape == (2,)
    assert inverse_probit(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("p", [0.0, 1.0, [0.5, 1.0]])
def test_without_n_the_ends_raise(p: Any) -> None:
    with pytest.raises(ValueError, match="give n"):
        probit(p)


@pytest.mark.parametrize("p", [-0.01, 1.01, 71.2, np.nan])
@pytest.mark.parametrize("n", [None, 100])
def test_refuses_what_is_no_rate(p: float, n: int | None) -> None:
    with pytest.raises(ValueError, match=r"rates in \[0, 1\]"):
        probit(p, n)


def test_refuses_no_images_and_nan() -> None:
    with pytest.raises(ValueError, match="at least 1 image"):
        probit(0.5, 0)
    with pytest.raises(ValueError, match="NaN"):
        inverse_probit(np.nan)
