"""Intervals: exact oracles from scipy, hand cases, and coverage by seeded simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analyze.intervals import auroc_interval, clopper_pearson, fpr_interval, mean_interval
from analyze.metrics.detection import RULES, auroc, fpr_at_tpr

SIMULATIONS = 300
# 95 % coverage over 300 simulations falls below this in 1 run of 1,000; the seeds are fixed all the same.
ENOUGH = 0.90


@given(st.integers(1, 2000), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.995]))
def test_clopper_pearson_equals_scipy(n: int, data: st.DataObject, level: float) -> None:
    k = data.draw(st.integers(0, n))
    oracle = stats.binomtest(k, n).proportion_ci(level, method="exact")
    lo, hi = clopper_pearson(k, n, level)
    assert (lo, hi) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
    assert 0 <= lo <= k / n <= hi <= 1


def test_clopper_pearson_ends() -> None:
    assert clopper_pearson(0, 50)[0] == 0.0
    assert clopper_pearson(50, 50)[1] == 1.0
    assert clopper_pearson(0, 1) == pytest.approx((0, 0.975))


def test_clopper_pearson_of_arrays() -> None:
    lo, hi = clopper_pearson(np.array([0, 3, 10]), 10)
    for i, k in enumerate((0, 3, 10)):
        assert (lo[i], hi[i]) == clopper_pearson(k, 10)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (5, 4), (-1, 4), (0.5, 4), (np.nan, 4), ([1, 2], [2, 0])])
def test_clopper_pearson_refuses(k: Any, n: Any) -> None:
    with pytest.raises(ValueError, match="k, n: expected"):
        clopper_pearson(k, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.1])
def test_refuses_an_impossible_level(level: float) -> None:
    for call in (
        lambda: clopper_pearson(1, 2, level),
        lambda: mean_interval([1.0, 2.0], level),
        lambda: auroc_interval([1.0], [0.0], level),
        lambda: fpr_interval([1.0], [0.0], level=level),
    ):
        with pytest.raises(ValueError, match="level"):
            call()


def test_mean_interval_equals_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=40)
    oracle = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert mean_interval(values, 0.9) == pytest.approx((oracle.low, oracle.high), rel=1e-12)


def test_mean_interval_refuses_one_value() -> None:
    with pytest.raises(ValueError, match="at least 2, got 1"):
        mean_interval([1.0])


def newcombe_residual(theta: float, estimate: float, n: int, m: int) -> float:
    spread = (1 - theta) / (2 - theta) + theta / (1 + theta)
    variance = theta * (1 - theta) * (1 + ((n + m) / 2 - 1) * spread) / (n * m)
    return abs(estimate - theta) / np.sqrt(variance)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 3), (50, 40), (50_000, 10_000)])
def test_auroc_interval_stays_open_at_perfect_separation(n: int, m: int) -> None:
    inside, outside = np.arange(n) + 1e6, np.arange(m)
    lo, hi = auroc_interval(inside, outside)
    assert 0 < lo < 1
    assert hi == 1.0
    assert newcombe_residual(lo, 1.0, n, m) == pytest.approx(stats.norm.ppf(0.975), rel=1e-5)
    assert auroc_interval(outside, inside) == pytest.approx((0.0, 1 - lo), abs=1e-12)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20), st.lists(st.integers(-5, 5), min_size=1, max_size=20))
def test_auroc_interval_holds_the_value_and_mirrors(inside: list[int], outside: list[int]) -> None:
    lo, hi = auroc_interval(inside, outside)
    assert 0 <= lo <= auroc(inside, outside) <= hi <= 1
    assert lo < hi
    assert auroc_interval(outside, inside) == pytest.approx((1 - hi, 1 - lo), abs=1e-9)
    wide = auroc_interval(inside, outside, 0.99)
    assert wide[0] <= lo
    assert hi <= wide[1]


@pytest.mark.parametrize(("n", "m", "area"), [(50, 50, 0.6), (50, 50, 0.95), (1000, 100, 0.8), (100, 1000, 0.9)])
def test_auroc_interval_covers_two_normals(n: int, m: int, area: float) -> None:
    rng = np.random.default_rng(10)
    shift = np.sqrt(2) * stats.norm.ppf(area)
    hits = 0
    for _ in range(SIMULATIONS):
        lo, hi = auroc_interval(rng.standard_normal(n) + shift, rng.standard_normal(m))
        hits += lo <= area <= hi
    assert hits / SIMULATIONS >= ENOUGH


@pytest.mark.parametrize(("n", "m"), [(1000, 100), (100, 1000)])
def test_auroc_interval_covers_a_contaminated_set(n: int, m: int) -> None:
    # A fifth of the OOD images are ID in truth; Newcombe's variance alone is too small for few of them among many.
    rng = np.random.default_rng(11)
    area = 0.8 * stats.norm.cdf(6 / np.sqrt(2)) + 0.2 * 0.5
    hits = 0
    for _ in range(SIMULATIONS):
        lo, hi = auroc_interval(rng.standard_normal(n), rng.standard_normal(m) - 6 * (rng.random(m) > 0.2))
        hits += lo <= area <= hi
    assert hits / SIMULATIONS >= ENOUGH


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("n", "m"), [(200, 200), (1000, 300)])
def test_fpr_interval_covers_where_a_fixed_threshold_does_not(rule: Any, n: int, m: int) -> None:
    rng = np.random.default_rng(12)
    truth = stats.norm.cdf(1.645 - 1.5)  # of two unit normals 1.5 apart, whichever is the positive one
    hits = fixed = 0
    for _ in range(SIMULATIONS):
        inside, outside = rng.standard_normal(n) + 1.5, rng.standard_normal(m)
        lo, hi = fpr_interval(inside, outside, rule=rule, draws=1000)
        hits += lo <= truth <= hi
        counted = n if rule == "openood" else m
        lo, hi = clopper_pearson(round(fpr_at_tpr(inside, outside, rule=rule) * counted), counted)
        fixed += lo <= truth <= hi
    assert hits / SIMULATIONS >= ENOUGH
    assert fixed / SIMULATIONS < ENOUGH + 0.02


whole = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=25)


@given(whole, whole, st.sampled_from(RULES))
def test_fpr_interval_holds_the_value(inside: list[float], outside: list[float], rule: Any) -> None:
    point = fpr_at_tpr(inside, outside, rule=rule)
    m = len(inside) if rule == "openood" else len(outside)
    given_lo, given_hi = clopper_pearson(round(point * m), m)
    lo, hi = fpr_interval(inside, outside, rule=rule, draws=50)
    assert 0 <= lo <= given_lo <= point <= given_hi <= hi <= 1
    assert (lo, hi) == fpr_interval(inside, outside, rule=rule, draws=50)


@pytest.mark.parametrize("rule", ["exact", "vim", "ninco", "openood"])
def test_fpr_interval_equals_a_bootstrap_of_the_rows(rule: Any) -> None:
    rng = np.random.default_rng(13)
    inside, outside = rng.standard_normal(60) + 1.5, rng.standard_normal(400)
    rates = [fpr_at_tpr(rng.choice(inside, 60), rng.choice(outside, 400), rule=rule) for _ in range(4000)]
    expected = np.quantile(rates, [0.025, 0.975])
    np.testing.assert_allclose(fpr_interval(inside, outside, rule=rule, draws=20_000), expected, atol=0.025)


def test_fpr_interval_refuses_no_draws() -> None:
    with pytest.raises(ValueError, match="draws"):
        fpr_interval([1.0], [0.0], draws=0)
