"""Estimators of claims against scipy and statsmodels, and how often each errs where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from analyze.claims.correlations import correlation_contrast, rank_correlation
from analyze.claims.estimate import Estimate, Spread, decide, too_few, with_interval
from analyze.claims.means import Sample, contrast, group_mean
from analyze.claims.outliers import outlier_mean
from analyze.claims.shares import improved_share
from analyze.claims.slopes import amount_slope, slope_contrast
from analyze.deviations import group_deviation, line_direction
from analyze.line_fits import fit_line, line_interval
from manifests.claim import Direction


def sample(values: np.ndarray, names: np.ndarray | None = None) -> Sample:
    own = np.arange(len(values)).astype(np.str_) if names is None else names
    return Sample(values=values, families=own, direction=np.zeros((len(values), 2)))


def estimate(lo: float, effect: float, hi: float) -> Estimate:
    return Estimate(effect=effect, lo=lo, hi=hi, n_models=9, n_families=9)


@pytest.mark.parametrize(
    ("ends", "direction", "threshold", "expected"),
    [
        ((0.1, 0.3, 0.5), "positive", 0.0, "supported"),
        ((0.1, 0.3, 0.5), "positive", 0.3, "supported"),
        ((0.1, 0.3, 0.5), "positive", 0.4, "undecided"),
        ((-0.1, 0.3, 0.7), "positive", 0.0, "undecided"),
        ((-0.1, 0.0, 0.1), "positive", 0.2, "undecided"),
        ((-0.9, -0.4, 0.1), "positive", 0.2, "undecided"),
        ((-0.1, 0.1, 0.3), "positive", 0.2, "undecided"),
        ((-0.5, -0.3, -0.1), "positive", 0.0, "contradicted"),
        ((-0.5, -0.3, -0.1), "negative", 0.2, "supported"),
        ((0.1, 0.3, 0.5), "negative", 0.0, "contradicted"),
        ((-0.1, 0.0, 0.1), "zero", 0.2, "supported"),
        ((0.05, 0.1, 0.15), "zero", 0.2, "supported"),
        ((-0.1, 0.1, 0.3), "zero", 0.2, "undecided"),
        ((0.3, 0.4, 0.5), "zero", 0.2, "contradicted"),
        ((-0.5, -0.4, -0.3), "zero", 0.2, "contradicted"),
    ],
)
def test_what_an_interval_says(
    ends: tuple[float, float, float], direction: Direction, threshold: float, expected: str
) -> None:
    assert decide(estimate(*ends), direction, threshold)[0] == expected


def test_an_interval_is_read_from_what_no_effect_is() -> None:
    share = Estimate(effect=0.9, lo=0.6, hi=0.99, n_models=9, n_families=9, null=0.5)
    assert decide(share, "positive", 0.0)[0] == "supported"
    assert decide(share, "negative", 0.0)[0] == "contradicted"
    flagged = Estimate(effect=0.9, n_models=2, n_families=2, flag="too few families: 2 of 5")
    assert decide(flagged, "positive", 0.0) == ("undecided", "too few families: 2 of 5")


@given(
    st.floats(-5, 5),
    st.floats(0.01, 5),
    st.floats(0, 3),
    st.sampled_from(["positive", "negative"]),
)
def test_mirrored_effects_answer_mirrored_statements(
    effect: float, half: float, threshold: float, direction: Direction
) -> None:
    other: Direction = "negative" if direction == "positive" else "positive"
    here = decide(estimate(effect - half, effect, effect + half), direction, threshold)
    there = decide(estimate(-effect - half, -effect, -effect + half), other, threshold)
    assert here == there
    both = decide(estimate(effect - half, effect, effect + half), other, threshold)[0]
    assert not here[0] == both == "supported"


def test_a_group_mean_is_that_of_the_trend_tables() -> None:
    rng = np.random.default_rng(0)
    x, names = rng.normal(size=30), np.repeat(np.arange(10), 3).astype(np.str_)
    y = 0.8 * x + 0.1 * rng.normal(size=30)
    line = fit_line(x, y)
    interval = line_interval(line, x, y, names, draws=1)
    values = y - line.at(x) + 0.3
    direction = line_direction(x, x, "probit", rate=False)
    found = group_mean(Sample(values=values, families=names, direction=direction), interval)
    expected = group_deviation(values, names, direction, interval)
    assert (found.effect, found.lo, found.hi, found.p) == pytest.approx(
        (expected.value, expected.lo, expected.hi, expected.p), rel=1e-12
    )


def test_a_contrast_is_welchs_test_and_its_equivalence_test() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.2, 1, 9), rng.normal(0, 3, 14)
    found = contrast(sample(first), sample(second), margin=2.0)
    oracle = stats.ttest_ind(first, second, equal_var=False)
    ends = oracle.confidence_interval()
    assert (found.p, found.lo, found.hi) == pytest.approx((oracle.pvalue, ends.low, ends.high), rel=1e-9)
    assert found.p_outside == pytest.approx(ttost_ind(first, second, -2, 2, usevar="unequal")[0], rel=1e-9)


def test_families_count_once_and_a_shared_line_cancels() -> None:
    values, names = np.array([0.0, 0, 0, 1, 2, 3, 4]), np.array(list("aaabcde"))
    assert group_mean(sample(values, names)).effect == 2.0
    x = np.linspace(0, 1, 8)
    line = fit_line(x, x + np.tile([0.1, -0.1], 4))
    interval = line_interval(line, x, x + np.tile([0.1, -0.1], 4), np.arange(8).astype(np.str_), draws=1)
    direction = np.stack([np.ones(8), x], axis=-1)
    up = Sample(values=x + 1, families=np.arange(8).astype(np.str_), direction=direction)
    down = Sample(values=x, families=np.arange(8).astype(np.str_), direction=direction)
    bare = contrast(sample(x + 1), sample(x))
    assert contrast(up, down, interval).hi == pytest.approx(bare.hi)
    assert group_mean(up, interval).hi > group_mean(sample(x + 1)).hi


def test_a_share_is_the_sign_test() -> None:
    values = np.array([1.0] * 9 + [-1.0] * 2 + [0.0])
    found = improved_share(sample(values))
    oracle = stats.binomtest(9, 11)
    ends = oracle.proportion_ci()
    assert (found.effect, found.p) == pytest.approx((9 / 11, oracle.pvalue))
    assert (found.lo, found.hi) == pytest.approx((ends.low, ends.high))
    assert improved_share(sample(np.ones(5))).flag == "too few families: 5 of 6"
    assert improved_share(sample(np.zeros(8))).flag == "too few families: 0 of 6"


def test_rank_correlations_are_scipys() -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 9, 40).astype(np.float64)
    y = x + rng.normal(size=40) * 3
    names = np.repeat(np.arange(10), 4).astype(np.str_)
    found = rank_correlation(x, y, names)
    assert found.effect == pytest.approx(stats.spearmanr(x, y).statistic)
    assert -1 < found.lo < found.effect < found.hi < 1
    other = correlation_contrast((x, y, names), (x, -y, names))
    assert other.effect == pytest.approx(2 * np.arctanh(found.effect))
    assert rank_correlation(x, np.ones(40), names).effect == 0.0
    assert rank_correlation(x[:8], y[:8], names[:8]).flag == "too few families: 2 of 5"


def test_one_named_model_is_a_prediction_of_least_squares() -> None:
    """Without residuals beyond Huber's knee, and each model a family, the interval is near the textbook's."""
    rng = np.random.default_rng(3)
    x = np.linspace(0, 2, 60)
    y = 0.5 * x + 0.1 * rng.uniform(-1, 1, 60)
    found = outlier_mean(np.array([1.0]), np.array([0.2]), x, y, np.arange(60).astype(np.str_))
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    ends = fit.get_prediction(np.array([[1.0, 1.0]])).summary_frame()
    assert found.effect == pytest.approx(0.2 - ends["mean"][0], abs=5e-3)
    width = ends["obs_ci_upper"][0] - ends["obs_ci_lower"][0]
    assert found.hi - found.lo == pytest.approx(width, rel=0.03)


def test_a_slope_on_an_amount_is_at_equal_x() -> None:
    rng = np.random.default_rng(4)
    amount = 10.0 ** rng.integers(6, 10, 60)
    x = 0.3 * np.log10(amount) + rng.normal(size=60)
    y = 2 * x + 0.7 * np.log10(amount) + 0.1 * rng.normal(size=60)
    names = np.repeat(np.arange(20), 3).astype(np.str_)
    found = amount_slope(amount, y, names, x)
    assert found.lo < 0.7 < found.hi
    assert found.hi - found.lo < 0.2
    assert "does not vary" in amount_slope(np.full(60, 1e6), y, names, x).flag
    assert amount_slope(amount[:6], y[:6], names[:6], x[:6]).flag == "too few families: 2 of 5"


def rate_of_findings(kind: str, draws: int = 400) -> float:
    """Share of worlds without effect in which the 95 % interval misses 0; families of two models that are alike."""
    rng = np.random.default_rng(5)
    names = np.repeat(np.arange(10), 2).astype(np.str_)

    def noise() -> np.ndarray:
        return np.repeat(rng.normal(size=10), 2) + 0.2 * rng.normal(size=20)

    missed = 0
    for _ in range(draws):
        x = np.repeat(rng.normal(size=10), 2) + 0.05 * rng.normal(size=20)
        if kind == "mean":
            found = group_mean(sample(noise(), names))
        elif kind == "contrast":
            found = contrast(sample(noise(), names), sample(3 * noise(), names))
        elif kind == "rank":
            found = rank_correlation(x, noise(), names)
        elif kind == "slopes":
            found = slope_contrast((x, x + noise(), names), (x[::-1], x[::-1] + noise(), names))
        elif kind == "amount":
            found = amount_slope(10.0**x, noise(), names)
        else:
            found = outlier_mean(rng.normal(size=1), rng.normal(size=1), x, noise(), names)
        missed += not found.lo <= 0 <= found.hi
    return missed / draws


@pytest.mark.parametrize("kind", ["mean", "contrast", "rank", "slopes", "amount", "outliers"])
def test_few_findings_where_there_is_nothing(kind: str) -> None:
    # 5 % expected; 400 draws scatter by 1.1 %, and ten families leave some excess.
    assert rate_of_findings(kind) <= 0.105


def test_flags_and_degenerate_spreads() -> None:
    assert too_few([5, 5], 5) == ""
    bare = Estimate(effect=0.3, n_models=5, n_families=5)
    nothing = with_interval(bare, [Spread(variance=0.0, freedom=4)], margin=0.5)
    assert (nothing.lo, nothing.hi, nothing.p, nothing.p_outside) == (0.3, 0.3, 0.0, 0.0)
    flagged = Estimate(effect=0.3, n_models=5, n_families=5, flag="f")
    assert with_interval(flagged, [Spread(variance=1.0, freedom=4)], margin=0.0) is flagged
