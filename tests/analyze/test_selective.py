"""Selective prediction, and the bootstrap of its curve, against plain loops and scikit-learn."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from analyze.metrics.selective import aurc, misclassification_auroc, risk_at_coverage, risk_coverage
from analyze.selective_intervals import _Blocks, selective_intervals


@st.composite
def ranked(draw: st.DrawFn, most: int = 40) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rows = draw(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=most))
    return np.array([value / 12 for value, _ in rows]), np.array([hit for _, hit in rows])


def test_by_hand() -> None:
    confidence, correct = [0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]
    np.testing.assert_allclose(risk_coverage(confidence, correct), [0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc(confidence, correct) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert risk_at_coverage(confidence, correct, 0.7) == pytest.approx(1 / 3)  # ceil(2.8) = 3 images
    assert risk_at_coverage(confidence, correct, 0.75) == pytest.approx(1 / 3)
    assert misclassification_auroc(confidence, correct) == 0.75


@given(ranked(most=6))
def test_ties_are_the_mean_over_their_orders(case: tuple[Any, Any]) -> None:
    confidence, correct = case
    curves = []
    for order in itertools.permutations(range(len(confidence))):
        places = np.array(order)
        if (np.diff(confidence[places]) <= 0).all():
            curves.append(np.cumsum(~correct[places]) / np.arange(1, len(places) + 1))
    np.testing.assert_allclose(risk_coverage(confidence, correct), np.mean(curves, axis=0), atol=1e-12)


@given(ranked())
def test_auroc_equals_scikit_learn(case: tuple[Any, Any]) -> None:
    confidence, correct = case
    if correct.all() or not correct.any():
        with pytest.raises(ValueError, match="right and wrong answers"):
            misclassification_auroc(confidence, correct)
        return
    assert misclassification_auroc(confidence, correct) == pytest.approx(roc_auc_score(correct, confidence))


@given(ranked(), st.integers(0, 100))
def test_order_and_scale_do_not_matter(case: tuple[Any, Any], seed: int) -> None:
    confidence, correct = case
    rows = np.random.default_rng(seed).permutation(len(confidence))
    assert aurc(confidence[rows], correct[rows]) == pytest.approx(aurc(confidence, correct), abs=1e-12)
    assert aurc(confidence**3, correct) == pytest.approx(aurc(confidence, correct), abs=1e-12)
    assert risk_coverage(confidence, correct)[-1] == pytest.approx(1 - correct.mean())


def test_the_edges_are_defined() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(50)
    assert aurc(confidence, np.ones(50)) == 0
    assert aurc(confidence, np.zeros(50)) == 1
    correct = rng.random(50) < 0.7
    assert aurc(np.full(50, 0.5), correct) == pytest.approx(1 - correct.mean())
    assert risk_at_coverage(np.full(50, 0.5), correct, 0.8) == pytest.approx(1 - correct.mean())
    assert misclassification_auroc(np.full(50, 0.5), correct) == 0.5
    assert (aurc([0.3], [0]), aurc([0.3], [1])) == (1, 0)
    # The best order there is: all right answers first.
    assert aurc(correct.astype(float), correct) < aurc(confidence, correct) < aurc(1.0 - correct, correct)


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        ([], [], "without an empty axis"),
        ([0.5], [1, 0], "one a confidence"),
        ([np.nan], [1], "finite"),
        ([1.5], [1], r"\[0, 1\]"),
        ([0.5], [0.5], "only True and False"),
    ],
)
def test_refuses(confidence: Any, correct: Any, message: str) -> None:
    for metric in (aurc, misclassification_auroc, risk_coverage, selective_intervals):
        with pytest.raises(ValueError, match=message):
            metric(confidence, correct)


@pytest.mark.parametrize("coverage", [0.0, 1.1, float("nan")])
def test_refuses_a_coverage(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        risk_at_coverage([0.5], [1], coverage)


@given(ranked())
def test_blocks_have_the_area_and_the_risk_of_their_ties(case: tuple[Any, Any]) -> None:
    confidence, correct = case
    _, level = np.unique(-confidence, return_inverse=True)
    cells = np.bincount(2 * level + ~correct, minlength=2 * (level.max() + 1))
    blocks = _Blocks.of(cells[None], len(confidence))
    assert blocks.area()[0] == pytest.approx(aurc(confidence, correct), abs=1e-12)
    for rank in range(1, len(confidence) + 1):
        assert blocks.risk(rank)[0] == pytest.approx(risk_coverage(confidence, correct)[rank - 1], abs=1e-12)


@pytest.mark.parametrize("n", [150, 3000])
def test_intervals_are_those_of_resampled_rows(n: int) -> None:
    rng = np.random.default_rng(n)
    confidence = rng.beta(4, 1.5, n)
    correct = rng.random(n) < confidence
    found = selective_intervals(confidence, correct, (0.8,), draws=4000)
    areas, risks = [], []
    for _ in range(1500):
        rows = rng.integers(0, n, n)
        areas.append(aurc(confidence[rows], correct[rows]))
        risks.append(risk_at_coverage(confidence[rows], correct[rows], 0.8))
    assert found.aurc == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])), abs=0.2 * np.std(areas))
    assert found.risk[0] == pytest.approx(tuple(np.quantile(risks, [0.025, 0.975])), abs=0.6 * np.std(risks))


@given(ranked())
def test_intervals_hold_the_values(case: tuple[Any, Any]) -> None:
    confidence, correct = case
    found = selective_intervals(confidence, correct, (0.5, 1.0), draws=40)
    assert 0 <= found.aurc[0] <= aurc(confidence, correct) <= found.aurc[1] <= 1
    for coverage, (lo, hi) in zip((0.5, 1.0), found.risk, strict=True):
        assert 0 <= lo <= risk_at_coverage(confidence, correct, coverage) <= hi <= 1
        assert lo < hi
    assert found == selective_intervals(confidence, correct, (0.5, 1.0), draws=40)


def test_without_errors_the_area_has_the_interval_of_the_error_rate() -> None:
    lo, hi = selective_intervals(np.linspace(0, 1, 30), np.ones(30)).aurc
    assert (lo, hi) == (0, pytest.approx(1 - 0.025 ** (1 / 30)))
    assert selective_intervals(np.linspace(0, 1, 30), np.zeros(30)).aurc == (pytest.approx(0.025 ** (1 / 30)), 1)


def test_refuses_no_draws() -> None:
    with pytest.raises(ValueError, match="draws"):
        selective_intervals([0.5], [1], draws=0)
