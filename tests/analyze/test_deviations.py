"""Deviations: by hand, against scipy and statsmodels, and what has no interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analyze.deviations import (
    benjamini_hochberg,
    group_deviation,
    holm,
    line_direction,
    model_deviations,
)
from analyze.line_fits import FittedLine, LineInterval, fit_line, line_interval
from analyze.scales import place


def known_line(slope: float = 1.0, intercept: float = 0.0) -> tuple[FittedLine, LineInterval]:
    line = FittedLine(kind="huber", slope=slope, intercept=intercept, scale=0.1, n=9, weights=np.ones(9), flag="")
    ends = np.array([intercept, slope])
    return line, LineInterval(lo=ends, hi=ends, shift=np.zeros((9, 2)), n_families=9, flag="")


def test_interval_of_a_model_on_a_known_line_is_that_of_its_images() -> None:
    rng = np.random.default_rng(0)
    n, x, y = 2000, 0.8, 0.6
    across, up = place([x], [n]), place([y], [n])
    line, interval = known_line(0.9, -0.3)
    found = model_deviations(across.z, up.z, line, interval, np.array([0.0, 2.0]), across.error, up.error)
    many = [place(rng.binomial(n, p, 40000) / n, np.full(40000, n)).z for p in (x, y)]
    spread = (many[1] - (-0.3 + 0.9 * many[0])).std()
    assert found.hi[0] - found.axis[0] == pytest.approx(1.959964 * spread, rel=0.02)
    assert not found.extrapolated[0]


def test_deviation_in_accuracy_is_taken_after_inverting() -> None:
    line, interval = known_line()
    y, x = place([0.7], [1000]), place([0.6], [1000])
    found = model_deviations(x.z, y.z, line, interval, x.z, x.error, y.error)
    assert found.rate[0] == pytest.approx(0.1)
    assert found.axis[0] == pytest.approx(stats.norm.ppf(0.7) - stats.norm.ppf(0.6))
    assert found.lo_rate[0] < 0.1 < found.hi_rate[0]
    # The ends of both intervals are the same places: y minus an end in probits is y minus the end in accuracy.
    assert 0.7 - found.lo_rate[0] == pytest.approx(stats.norm.cdf(y.z[0] - found.lo[0]))


def test_uncertainty_of_the_line_grows_away_from_its_models() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, 30)
    y = x + rng.normal(0, 0.1, 30)
    line = fit_line(x, y)
    interval = line_interval(line, x, y, np.arange(30).astype(str))
    at = np.array([0.0, 3.0, 6.0])
    found = model_deviations(at, at, line, interval, x, np.zeros(3), np.zeros(3))
    width = found.hi - found.lo
    assert width[0] < width[1] < width[2]
    assert found.extrapolated.tolist() == [False, True, True]


def test_group_on_a_known_line_is_students_t_on_family_means() -> None:
    rng = np.random.default_rng(2)
    families = np.array(list("aabbbcdeeeff"))
    values = rng.normal(0.1, 0.1, 12)
    means = [values[families == family].mean() for family in "abcdef"]
    found = group_deviation(values, families)
    test = stats.ttest_1samp(means, 0)
    assert found.value == pytest.approx(np.mean(means))
    assert (found.lo, found.hi) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert found.p == pytest.approx(test.pvalue)
    assert (found.n, found.n_families) == (12, 6)


def test_uncertainty_of_the_line_widens_a_groups_interval() -> None:
    families, values = np.array(list("abcdef")), np.array([0.1, 0.12, 0.09, 0.11, 0.1, 0.13])
    _, known = known_line()
    loose = LineInterval(lo=known.lo, hi=known.hi, shift=np.full((9, 2), 0.05), n_families=9, flag="")
    direction = line_direction(np.zeros(6), np.zeros(6), "probit", rate=False)
    assert direction.tolist() == [[1.0, 0.0]] * 6
    tight = group_deviation(values, families, direction, known)
    wide = group_deviation(values, families, direction, loose)
    assert tight.value == wide.value
    total = np.sqrt(values.var(ddof=1) / 6 + 9 * 0.05**2)
    assert wide.hi - wide.lo > tight.hi - tight.lo
    assert 2 * 1.96 * total < wide.hi - wide.lo < 2 * 2.4 * total


@pytest.mark.parametrize("families", [1, 4])
def test_too_few_families_have_no_interval(families: int) -> None:
    found = group_deviation(np.arange(8.0), [f"f{i % families}" for i in range(8)])
    assert found.flag == f"too few families: {families} of 5"
    assert np.isnan([found.lo, found.hi, found.p]).all()
    assert np.isfinite(found.value)


def test_a_line_without_interval_says_so() -> None:
    nothing = np.full(2, np.nan)
    bad = LineInterval(
        lo=nothing, hi=nothing, shift=np.full((2, 2), np.nan), n_families=2, flag="too few families: 2 of 3"
    )
    found = group_deviation(np.arange(5.0), list("abcde"), np.ones((5, 2)), bad)
    assert found.flag == "reference line: too few families: 2 of 3"


def test_a_family_with_many_models_counts_once() -> None:
    values, families = [0.1, 0.2, 0.3, 0.4, 0.5], list("abcde")
    more = group_deviation(values + [0.5] * 50, families + ["e"] * 50)
    once = group_deviation(values, families)
    assert (more.value, more.lo, more.p) == pytest.approx((once.value, once.lo, once.p))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_equal_statsmodels(p: list[float]) -> None:
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)


def test_adjusting_skips_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert np.isnan(holm([np.nan])).all()
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([1.5])


@pytest.mark.parametrize(
    ("values", "families"), [([], []), ([1.0], ["a", "b"]), ([np.nan] * 5, list("abcde")), ([[1.0]], ["a"])]
)
def test_refuses(values: list[float], families: list[str]) -> None:
    with pytest.raises(ValueError, match="deviations, families: expected finite"):
        group_deviation(values, families)
