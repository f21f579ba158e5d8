"""The gap between two slopes: its two readings, their intervals over resampled models, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from analyze.slope_gap import slope_gap, tangent
from analyze.trend import huber_line


def cloud(seed: int, n: int, slope: float, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.4, 0.9, n)
    return x, slope * x + noise * rng.standard_normal(n)


def test_slopes_are_those_of_the_lines() -> None:
    cnn, vit = cloud(0, 12, 1.2), cloud(1, 20, 0.8)
    gap = slope_gap(cnn, vit)
    assert (gap.first, gap.second) == (huber_line(*cnn).slope, huber_line(*vit).slope)
    assert gap.difference == gap.first - gap.second
    assert gap.tangent == pytest.approx(np.tan(np.arctan(gap.first) - np.arctan(gap.second)))


def test_intervals_hold_the_value_and_a_planted_gap() -> None:
    held = 0
    for seed in range(40):
        gap = slope_gap(cloud(2 * seed, 15, 1.2), cloud(2 * seed + 1, 25, 0.8), draws=300, seed=seed)
        assert gap.difference_lo <= gap.difference <= gap.difference_hi
        assert gap.tangent_lo <= gap.tangent <= gap.tangent_hi
        held += gap.difference_lo <= 0.4 <= gap.difference_hi
    assert held >= 34


def test_equal_groups_have_no_gap_in_their_interval() -> None:
    same = cloud(3, 20, 1.0)
    gap = slope_gap(same, same)
    assert gap.difference == gap.tangent == 0.0
    assert gap.difference_lo < 0 < gap.difference_hi


def test_a_seed_gives_the_same_interval() -> None:
    cnn, vit = cloud(4, 10, 1.1), cloud(5, 10, 0.9)
    assert slope_gap(cnn, vit, seed=1) == slope_gap(cnn, vit, seed=1)
    assert slope_gap(cnn, vit, seed=1).difference_lo != slope_gap(cnn, vit, seed=2).difference_lo


def test_few_models_have_no_interval() -> None:
    gap = slope_gap(cloud(6, 3, 1.0), cloud(7, 9, 1.0))
    assert gap.flag == "too few models: 3 of 4"
    assert np.isnan([gap.difference_lo, gap.tangent_hi]).all()
    assert np.isfinite(gap.difference)


def test_models_at_one_place_have_no_slope() -> None:
    x = np.array([0.5, 0.5, 0.5, 0.5, 0.6])
    assert "one x alone" in slope_gap((x, x), cloud(8, 9, 1.0)).flag


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="x: expected"):
        slope_gap(([np.nan], [0.0]), cloud(0, 5, 1.0))
    assert tangent(0.0, 0.0) == 0.0
