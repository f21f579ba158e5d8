from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from analyze.factor_intervals import _Pair, _patterns, factor_intervals, worst_class_interval
from analyze.metrics.factors import error_ratios, factor_accuracies, worst_class_accuracy, worst_factor


def world(n: int, seed: int, share: float = 0.2) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    members = rng.random((n, 3)) < share
    members[:3] |= np.eye(3, dtype=bool)
    return rng.random(n) < 0.8 - 0.2 * members[:, 0], members


def test_cells_give_the_distribution_of_resampled_rows() -> None:
    right, members = world(400, 1)
    found = factor_intervals(right, members, draws=4000)
    rng = np.random.default_rng(5)
    gaps, ratios, worst = [], [], []
    for _ in range(3000):
        rows = rng.integers(0, len(right), len(right))
        accuracies = factor_accuracies(right[rows], members[rows])
        gaps.append(accuracies - right[rows].mean())
        ratios.append(error_ratios(right[rows], members[rows]))
        worst.append(accuracies.min())
    assert found.error_ratio is not None
    for ends, drawn in ((found.gap, np.array(gaps)), (found.error_ratio, np.array(ratios))):
        expected = np.quantile(drawn, [0.025, 0.975], axis=0).T
        spread = drawn.std(axis=0)[:, None]
        # The hull is never inside the bootstrap's interval, and near it: exact ends are a little wider.
        assert (np.abs(ends - expected) < 0.5 * spread).all()
    assert found.worst[0] <= np.quantile(worst, 0.025) + 0.1 * np.std(worst)
    assert found.index == worst_factor(right, members)[0]


@pytest.mark.parametrize(("right", "size", "all_right", "n"), [(30, 40, 700, 1000), (5, 8, 60, 80)])
def test_closed_ends_are_near_those_of_statsmodels(right: int, size: int, all_right: int, n: int) -> None:
    pair = _Pair.of(right, size, all_right, n, 0.95)
    rest, rest_right = n - size, all_right - right
    lo, hi = confint_proportions_2indep(right, size, rest_right, rest, method="newcomb", compare="diff")
    share = size / n
    # Newcombe combines Wilson's ends, which are a little narrower than the exact ones.
    assert pair.gap() == pytest.approx(((1 - share) * lo, (1 - share) * hi), abs=0.06)
    assert pair.gap()[0] <= (1 - share) * lo
    assert pair.gap()[1] >= (1 - share) * hi
    lo, hi = confint_proportions_2indep(
        size - right, size, rest - rest_right, rest, method="score", compare="ratio", correction=False
    )
    of_whole = [ratio / (share * ratio + 1 - share) for ratio in (lo, hi)]
    assert pair.error_ratio() == pytest.approx(of_whole, abs=0.2)
    assert pair.error_ratio()[0] <= of_whole[0] * 1.02
    assert pair.error_ratio()[1] >= of_whole[1] * 0.98


@pytest.mark.parametrize("k", [1, 16, 70])
def test_patterns_are_the_distinct_rows(k: int) -> None:
    flags = np.random.default_rng(k).random((300, k)) < 0.05
    patterns, pattern = _patterns(flags)
    np.testing.assert_array_equal(patterns[pattern], flags)
    assert len(patterns) == len(np.unique(flags, axis=0))


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    n, k = draw(st.integers(1, 25)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    members = rng.random((n, k)) < draw(st.floats(0.1, 1))
    members[rng.integers(0, n, k), np.arange(k)] = True
    return rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])), members


@given(answers())
def test_intervals_hold_their_values(case: tuple[Any, Any]) -> None:
    right, members = case
    found = factor_intervals(right, members, draws=40)
    gaps = factor_accuracies(right, members) - right.mean()
    assert np.isfinite(found.gap).all()
    assert ((found.gap[:, 0] <= gaps) & (gaps <= found.gap[:, 1])).all()
    assert (np.abs(found.gap) <= 1).all()
    assert found.worst[0] <= factor_accuracies(right, members).min() <= found.worst[1]
    assert (found.error_ratio is None) == right.all()
    if found.error_ratio is not None:
        ratios = error_ratios(right, members)
        assert ((found.error_ratio[:, 0] <= ratios + 1e-12) & (ratios <= found.error_ratio[:, 1] + 1e-12)).all()
        assert np.isfinite(found.error_ratio).all()


def test_a_factor_without_variation_has_an_interval_of_some_width() -> None:
    right = np.array([True] * 5 + [False] * 20 + [True] * 75)
    members = np.zeros((100, 1), bool)
    members[:5] = True
    found = factor_intervals(right, members)
    assert found.gap[0, 0] < 0.2 - 0.3
    assert found.gap[0, 1] >= 0.2
    assert found.error_ratio is not None
    assert found.error_ratio[0, 0] == 0
    assert found.error_ratio[0, 1] > 1.5
    # The mirror: all of five wrong, nothing else.
    found = factor_intervals(members[:, 0] == 0, members)
    assert found.error_ratio is not None
    # The value is n / n_f = 20, and the share of images with the factor is itself known from five images only.
    assert 1 < found.error_ratio[0, 0] < 12
    assert found.error_ratio[0, 1] > 40


def test_paired_intervals_are_narrower_than_unpaired_ones() -> None:
    """Half of the images have the factor: what both sides share cancels."""
    rng = np.random.default_rng(2)
    right = rng.random(2000) < 0.7
    members = np.zeros((2000, 1), bool)
    members[:1000] = True
    lo, hi = factor_intervals(right, members).gap[0]
    unpaired = 2 * 1.96 * np.sqrt(0.21 / 1000 + 0.21 / 2000)
    assert hi - lo < 0.7 * unpaired


def test_coverage_of_gap_and_ratio() -> None:
    inside = np.zeros(2)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        members = rng.random((600, 1)) < 0.1
        members[0] = True
        right = rng.random(600) < np.where(members[:, 0], 0.6, 0.8)
        found = factor_intervals(right, members, draws=200)
        assert found.error_ratio is not None
        # The truth at a tenth of images: gap 0.6 - 0.78, ratio 0.4 / 0.22.
        truths = (0.6 - 0.78, 0.4 / 0.22)
        inside += [
            lo <= truth <= hi for truth, (lo, hi) in zip(truths, (found.gap[0], found.error_ratio[0]), strict=True)
        ]
    assert (inside / 200 >= 0.93).all()


def test_seeded_and_refusing() -> None:
    right, members = world(50, 3)
    first, again = factor_intervals(right, members), factor_intervals(right, members)
    assert first.gap.tolist() == again.gap.tolist()
    assert factor_intervals(right, members, seed=1).gap.tolist() != first.gap.tolist()
    with pytest.raises(ValueError, match="draws"):
        factor_intervals(right, members, draws=0)
    with pytest.raises(ValueError, match="level"):
        factor_intervals(right, members, 1.0)


def test_worst_classes_against_resampled_rows() -> None:
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(30), 20)
    right = rng.random(600) < np.linspace(0.4, 0.95, 30)[labels]
    lo, hi = worst_class_interval(right, labels, 5, draws=3000)
    drawn = []
    for _ in range(2000):
        rows = rng.integers(0, 600, 600)
        drawn.append(worst_class_accuracy(right[rows], labels[rows], 5))
    assert lo == pytest.approx(np.quantile(drawn, 0.025), abs=0.02)
    assert lo <= worst_class_accuracy(right, labels, 5) <= hi
    assert hi >= np.quantile(drawn, 0.975) - 0.01
