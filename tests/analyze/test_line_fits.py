"""Lines by name against numpy and scipy, their quality against scikit-learn, intervals of clouds that have none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from analyze.cluster_bootstrap import family_codes, line_spread, pseudo_residuals
from analyze.line_fits import LINE_KINDS, LineKind, fit_line, line_interval, line_quality
from analyze.trend import huber_line

FAMILIES = np.array([f"f{i % 7}" for i in range(40)])


def cloud(seed: int = 0, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(1, 0.5, n)
    return x, 0.9 * x - 0.4 + rng.normal(0, 0.1, n)


def test_huber_is_the_huber_line() -> None:
    x, y = cloud()
    line, own = fit_line(x, y), huber_line(x, y)
    assert (line.slope, line.intercept, line.scale, line.kind) == (own.slope, own.intercept, own.scale, "huber")


def test_least_squares_equals_scipy() -> None:
    x, y = cloud()
    line, theirs = fit_line(x, y, "ols"), stats.linregress(x, y)
    assert (line.slope, line.intercept) == pytest.approx((theirs.slope, theirs.intercept), abs=1e-12)


def test_theil_sen_equals_scipy_and_resists_outliers() -> None:
    x, y = cloud()
    y[:8] += 50
    line, theirs = fit_line(x, y, "theil-sen"), stats.theilslopes(y, x)
    assert line.slope == theirs.slope
    assert line.intercept == np.median(y - theirs.slope * x)
    assert abs(line.slope - 0.9) < 0.3 < abs(fit_line(x, y, "ols").slope - 0.9)


def test_quality_equals_scikit_learn_and_scipy() -> None:
    x, y = cloud()
    line = fit_line(x, y)
    found = line_quality(line, x, y)
    assert found.r2 == pytest.approx(r2_score(y, line.at(x)))
    assert found.r2_weighted == pytest.approx(r2_score(y, line.at(x), sample_weight=line.weights))
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic)


def test_ties_share_their_ranks() -> None:
    x, y = (np.round(part, 1) for part in cloud())
    assert len(set(x)) < 40
    assert line_quality(fit_line(x, y), x, y).spearman == pytest.approx(stats.spearmanr(x, y).statistic)


def test_quality_of_what_does_not_vary_is_nan() -> None:
    found = line_quality(fit_line(np.arange(5.0), np.ones(5), "ols"), np.arange(5.0), np.ones(5))
    assert np.isnan([found.r2, found.spearman, found.pearson]).all()


@pytest.mark.parametrize("kind", LINE_KINDS)
def test_degenerate_clouds_are_flagged(kind: LineKind) -> None:
    assert fit_line(np.array([0.0, 1]), np.array([0.0, 1]), kind).flag == "fewer than 3 points"
    assert fit_line(np.ones(4), np.arange(4.0), kind).flag == "all x equal: no slope"


@pytest.mark.parametrize("kind", LINE_KINDS)
def test_interval_holds_the_line_and_is_seeded(kind: LineKind) -> None:
    x, y = cloud()
    line = fit_line(x, y, kind)
    one, two = (line_interval(line, x, y, FAMILIES) for _ in range(2))
    assert (one.lo < [line.intercept, line.slope]).all()
    assert (one.hi > [line.intercept, line.slope]).all()
    np.testing.assert_array_equal(one.lo, two.lo)
    assert one.n_families == 7


@pytest.mark.parametrize(
    ("families", "flag"),
    [
        (np.array(["a", "b"] * 20), "too few families: 2 of 3"),
        (np.where(np.arange(40) < 38, "a", np.array(["b", "c"] * 20)), ""),
    ],
)
def test_too_few_families_have_no_interval(families: np.ndarray, flag: str) -> None:
    x, y = cloud()
    found = line_interval(fit_line(x, y), x, y, families)
    assert found.flag.startswith(flag)
    assert np.isnan(found.lo).all() == bool(flag)


def test_a_family_that_alone_gives_the_slope_leaves_no_interval() -> None:
    x = np.array([0.0, 1, 0.5, 0.5, 0.5, 0.5])
    y = np.array([0.0, 1.1, 0.4, 0.6, 0.45, 0.5])
    families = np.array(list("aabbcd"))
    for kind in LINE_KINDS:
        found = line_interval(fit_line(x, y, kind), x, y, families)
        assert found.flag == "one family alone gives the line its slope"
        assert np.isnan(found.lo).all()


def test_points_on_a_line_have_no_interval() -> None:
    x = np.arange(6.0)
    found = line_interval(fit_line(x, 2 * x), x, 2 * x, np.array(list("abcdef")))
    assert found.flag == "no spread around the line"


def test_shared_images_widen_the_intercept_by_their_error() -> None:
    x, y = cloud()
    line = fit_line(x, y, "ols")
    without = line_interval(line, x, y, FAMILIES)
    shared = line_interval(line, x, y, FAMILIES, y_error=np.full(40, 0.3))
    half = np.sqrt((without.hi - without.lo) ** 2 / 4 + np.array([1.959964 * 0.3, 0]) ** 2)
    np.testing.assert_allclose((shared.hi - shared.lo) / 2, half, rtol=1e-6)
    in_x = line_interval(line, x, y, FAMILIES, x_error=np.full(40, 0.3))
    half_x = np.sqrt((without.hi - without.lo) ** 2 / 4 + np.array([1.959964 * 0.3 * line.slope, 0]) ** 2)
    np.testing.assert_allclose((in_x.hi - in_x.lo) / 2, half_x, rtol=1e-6)


def test_jackknife_error_equals_refits_for_least_squares() -> None:
    x, y = cloud()
    code = family_codes(FAMILIES)
    line = fit_line(x, y, "ols")
    pseudo = pseudo_residuals(x[None], (y - line.at(x))[None], np.array([np.inf]))
    spread = line_spread(x[None], pseudo, code)
    moved = np.array([np.polyfit(x[code != k], y[code != k], 1)[::-1] for k in range(7)])
    around = moved - [line.intercept, line.slope]
    np.testing.assert_allclose(np.abs(spread.shift[0]), np.sqrt(6 / 7) * np.abs(around), rtol=1e-9)
    np.testing.assert_allclose(spread.error[0], np.sqrt(6 / 7 * (around**2).sum(axis=0)), rtol=1e-9)


def test_order_of_models_does_not_matter() -> None:
    x, y = cloud()
    order = np.random.default_rng(0).permutation(40)
    one = line_interval(fit_line(x, y), x, y, FAMILIES)
    two = line_interval(fit_line(x[order], y[order]), x[order], y[order], FAMILIES[order])
    np.testing.assert_allclose(one.lo, two.lo, atol=1e-9)


def test_bootstrap_refuses_wrong_shapes() -> None:
    x = np.zeros((1, 4))
    for family, message in ((np.zeros(3, int), "expected \\(b, n\\)"), (np.zeros(4, int), "at least 3 families")):
        with pytest.raises(ValueError, match=message):
            line_spread(x, x, family)
    with pytest.raises(ValueError, match="every number from 0 to 3"):
        line_spread(x, x, np.array([0, 1, 3, 3]))
