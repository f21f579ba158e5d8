from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from analyze.metrics.agreement import consistency_interval, error_consistency, mean_error_consistency

BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(BITS)
def test_equals_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    found = error_consistency(a, b)
    if a.all() == b.all() and a.any() == b.any() and len({*a, *b}) == 1:
        assert np.isnan(found.value)
        assert found.reason
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found.value == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)
    assert found.reason == ""
    assert error_consistency(b, a).value == pytest.approx(found.value)
    assert error_consistency(~a, ~b).value == pytest.approx(found.value)


@pytest.mark.parametrize(("value", "word"), [(True, "right"), (False, "wrong")])
def test_without_any_variation_it_is_undefined(value: bool, word: str) -> None:
    found = error_consistency([value] * 3, [value] * 3)
    assert np.isnan(found.value)
    assert (found.observed, found.expected) == (1.0, 1.0)
    assert f"both are {word} on every image" in found.reason
    with pytest.raises(ValueError, match="no value"):
        consistency_interval([value], [value])
    with pytest.raises(ValueError, match="no value"):
        mean_error_consistency([value], [[value]])


def test_one_that_never_errs_agrees_by_chance_only() -> None:
    assert error_consistency([1, 1, 1], [1, 0, 1]).value == 0
    assert error_consistency([1, 0], [0, 1]).value == -1
    assert error_consistency([1, 0], [1, 0]).value == 1


def test_interval_is_near_that_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    a = rng.random(1280) < 0.6
    b = np.where(rng.random(1280) < 0.4, a, rng.random(1280) < 0.8)
    table = np.array([[(~a & ~b).sum(), (~a & b).sum()], [(a & ~b).sum(), (a & b).sum()]])
    oracle = cohens_kappa(table)
    assert error_consistency(a, b).value == pytest.approx(oracle.kappa)
    lo, hi = consistency_interval(a, b, draws=4000)
    assert (lo, hi) == pytest.approx((oracle.kappa_low, oracle.kappa_upp), abs=0.15 * (hi - lo))


@given(BITS)
def test_interval_holds_the_value(pairs: list[tuple[bool, bool]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    found = error_consistency(a, b)
    if found.reason:
        return
    lo, hi = consistency_interval(a, b, draws=50)
    assert -1 <= lo <= found.value <= hi <= 1
    assert lo < hi  # never certain, even where the two agree everywhere
    value, (lo, hi) = mean_error_consistency(a, [b, b, b], draws=50)
    assert value == pytest.approx(found.value)
    assert -1 <= lo <= value <= hi <= 1


def test_mean_over_observers_by_hand_and_by_resampled_rows() -> None:
    rng = np.random.default_rng(4)
    a = rng.random(200) < 0.5
    others = np.where(rng.random((4, 200)) < 0.5, a, rng.random((4, 200)) < 0.7)
    value, (lo, hi) = mean_error_consistency(a, others, draws=3000)
    assert value == pytest.approx(np.mean([cohen_kappa_score(a, other) for other in others]))
    drawn = []
    for _ in range(1500):
        rows = rng.integers(0, 200, 200)
        drawn.append(np.mean([error_consistency(a[rows], other[rows]).value for other in others]))
    assert (lo, hi) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.15 * np.std(drawn) * 2)


def test_observers_without_a_kappa_are_left_out_of_the_mean() -> None:
    assert mean_error_consistency([1, 1, 1], [[1, 1, 1], [1, 0, 1]])[0] == 0


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [([], [], "at least one"), ([1, 0], [1], r"second: expected shape \(2,\)"), ([2], [1], "only True and False")],
)
def test_refuses(first: list[int], second: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        error_consistency(first, second)


def test_refuses_shapes_and_draws() -> None:
    with pytest.raises(ValueError, match=r"others: expected shape \(s, 2\)"):
        mean_error_consistency([1, 0], [[1, 0, 1]])
    for call in (lambda: consistency_interval([1, 0], [1, 1], draws=0),
                 lambda: mean_error_consistency([1, 0], [[1, 1]], draws=0)):  # fmt: skip
        with pytest.raises(ValueError, match="draws"):
            call()
