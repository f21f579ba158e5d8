"""The bootstrap: known distributions, paired rows, blocks, and the cell-wise ECE against resampled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analyze import resampling
from analyze.intervals import bootstrap_interval, ece_interval
from analyze.metrics.calibration import expected_calibration_error


def test_bootstrap_of_a_mean_is_the_binomial() -> None:
    outcomes = np.repeat([0.0, 1.0], [70, 30])
    lo, hi = bootstrap_interval(lambda rows: outcomes[rows].mean(axis=1), 100, draws=20_000)
    assert (lo, hi) == pytest.approx(stats.binom.ppf([0.025, 0.975], 100, 0.3) / 100, abs=0.011)


def test_rows_of_paired_arrays_stay_together() -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal(200)
    second = first - 0.25
    difference = bootstrap_interval(lambda rows: first[rows].mean(axis=1) - second[rows].mean(axis=1), 200)
    assert difference == pytest.approx((0.25, 0.25), abs=1e-12)


def test_block_size_does_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(77)
    whole = bootstrap_interval(lambda rows: values[rows].mean(axis=1), 77, seed=5)
    monkeypatch.setattr(resampling, "BLOCK_BYTES", 8 * 77 * 3)
    sizes = []

    def mean(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return np.asarray(values[rows].mean(axis=1))

    assert bootstrap_interval(mean, 77, seed=5) == whole
    assert max(sizes) == 3
    assert sum(sizes) == 1000


def test_the_seed_decides() -> None:
    values = np.random.default_rng(2).random(30)

    def draw(seed: int) -> tuple[float, float]:
        return bootstrap_interval(lambda rows: values[rows].mean(axis=1), 30, seed=seed)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize(("n", "draws"), [(0, 10), (10, 0)])
def test_refuses_nothing_to_draw(n: int, draws: int) -> None:
    with pytest.raises(ValueError, match="at least 1 of each"):
        bootstrap_interval(lambda rows: rows.mean(axis=1), n, draws=draws)


@pytest.mark.parametrize("statistic", [lambda rows: rows.mean(), lambda rows: np.full(len(rows), np.nan)])
def test_refuses_a_statistic_that_misbehaves(statistic: Any) -> None:
    with pytest.raises(ValueError, match="statistic: expected 1000 finite values"):
        bootstrap_interval(statistic, 5)


@pytest.mark.parametrize(("n", "power"), [(300, 1.0), (300, 3.0), (2000, 1.5)])
def test_cells_give_the_distribution_of_resampled_rows(n: int, power: float) -> None:
    rng = np.random.default_rng(3)
    confidence = rng.beta(4, 1.5, n)
    correct = rng.random(n) < confidence**power
    errors = []
    for _ in range(2000):
        rows = rng.integers(0, n, n)
        errors.append(expected_calibration_error(confidence[rows], correct[rows]))
    point = expected_calibration_error(confidence, correct)
    expected = np.quantile(errors, [0.025, 0.975])
    expected = (min(expected[0], point), max(expected[1], point))
    spread = float(np.std(errors))
    np.testing.assert_allclose(ece_interval(confidence, correct, draws=4000), expected, atol=0.2 * spread)


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[list[float], list[bool]]:
    rows = draw(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40))
    return [value / 30 for value, _ in rows], [hit for _, hit in rows]


@given(outcomes(), st.integers(1, 20))
def test_ece_interval_holds_the_value(case: tuple[list[float], list[bool]], bins: int) -> None:
    lo, hi = ece_interval(*case, bins, draws=50)
    assert 0 <= lo <= expected_calibration_error(*case, bins) <= hi <= 1
    assert (lo, hi) == ece_interval(*case, bins, draws=50)


def test_ece_interval_is_biased_upwards_as_documented() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.random(200)
    correct = rng.random(200) < confidence
    point = expected_calibration_error(confidence, correct)
    lo, hi = ece_interval(confidence, correct)
    assert lo > 0  # although the true error is 0
    assert hi - point > point - lo


def test_ece_interval_refuses_no_draws() -> None:
    with pytest.raises(ValueError, match="draws"):
        ece_interval([0.5], [1], draws=0)
