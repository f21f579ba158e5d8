"""Calibration errors: hand cases, naive loops as oracles, and properties."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.intervals import clopper_pearson
from analyze.metrics.calibration import (
    classwise_ece,
    classwise_ece_of_logits,
    confidence_gap,
    debiased_calibration_error,
    equal_mass_ece,
    expected_calibration_error,
    ks_calibration_error,
    reliability_bins,
)

MEASURES = (expected_calibration_error, equal_mass_ece, debiased_calibration_error)


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 40))
    # Coarse values make ties and edge hits common.
    values = st.one_of(st.integers(0, 30).map(lambda i: i / 30), st.floats(0, 1))
    return draw(hnp.arrays(np.float64, n, elements=values)), draw(hnp.arrays(np.bool_, n))


def naive_ece(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    edges, total = np.linspace(0, 1, bins + 1), 0.0
    for m in range(bins):
        inside = (confidence > edges[m]) & (confidence <= edges[m + 1])
        if m == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


@given(outcomes(), st.integers(1, 30))
def test_ece_equals_the_naive_loop_and_stays_in_range(case: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    value = expected_calibration_error(*case, bins)
    assert value == pytest.approx(naive_ece(*case, bins), abs=1e-12)
    assert 0 <= value <= 1


@given(outcomes())
def test_the_signed_gap_never_exceeds_the_ece(case: tuple[np.ndarray, np.ndarray]) -> None:
    gap = confidence_gap(*case)
    assert -1 <= gap <= 1
    for measure in (expected_calibration_error, equal_mass_ece):
        assert abs(gap) <= measure(*case) + 1e-12
    assert abs(gap) <= ks_calibration_error(*case) + 1e-12
    assert abs(gap) == pytest.approx(expected_calibration_error(*case, bins=1), abs=1e-12)


@given(outcomes(), st.randoms(use_true_random=False))
def test_row_order_never_matters(case: tuple[np.ndarray, np.ndarray], random: Any) -> None:
    order = np.array(random.sample(range(len(case[0])), len(case[0])))
    for measure in (*MEASURES, ks_calibration_error):
        value = measure(*case)
        assert measure(case[0][order], case[1][order]) == pytest.approx(value, abs=1e-7)
        assert 0 <= value <= 1


def test_bins_are_closed_on_the_right() -> None:
    # 0.2 belongs to (0, 0.2], 0.2 + tiny to (0.2, 0.4]; one row each, so the gaps cannot cancel.
    diagram = reliability_bins([0.2, np.nextafter(0.2, 1), 1.0], [0, 0, 1], bins=5)
    assert diagram.n.tolist() == [1, 1, 0, 0, 1]


def test_float32_just_above_one_stays_in_the_last_bin() -> None:
    confidence = np.array([1.0, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    assert confidence[1] > 1
    assert reliability_bins(confidence, [1, 1]).n[-1] == 2
    assert expected_calibration_error(confidence, [1, 1]) == 0.0


def test_perfect_calibration_is_zero() -> None:
    confidence = np.repeat([0.25, 0.75], 4)
    correct = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    assert expected_calibration_error(confidence, correct) == 0.0
    assert equal_mass_ece(confidence, correct, bins=2) == 0.0
    assert ks_calibration_error(confidence, correct) == 0.0
    assert debiased_calibration_error(confidence, correct, bins=2) == 0.0


@pytest.mark.parametrize(("n", "bins"), [(60, 15), (61, 15), (74, 15), (10, 4), (3, 15)])
def test_equal_mass_equals_array_split_without_ties(n: int, bins: int) -> None:
    rng = np.random.default_rng(n)
    confidence, correct = rng.random(n), rng.random(n) < 0.6
    order = np.argsort(confidence)
    pieces = [piece for piece in np.array_split(order, bins) if len(piece)]
    gaps = [len(piece) / n * abs(correct[piece].mean() - confidence[piece].mean()) for piece in pieces]
    assert equal_mass_ece(confidence, correct, bins) == pytest.approx(sum(gaps), abs=1e-14)


def test_equal_values_share_an_equal_mass_bin() -> None:
    # Cut in halves by count, the three 0.5 would be torn apart and the answer would hang on their order.
    assert equal_mass_ece([0.1, 0.5, 0.5, 0.5], [0, 1, 0, 1], bins=2) == pytest.approx((4 * abs(0.5 - 0.4)) / 4)


def test_debiased_error_equals_the_formula() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.random(450)
    correct = rng.random(450) < confidence**2
    total = 0.0
    for piece in np.array_split(np.argsort(confidence), 15):
        accuracy, n = correct[piece].mean(), len(piece)
        total += n / 450 * ((accuracy - confidence[piece].mean()) ** 2 - accuracy * (1 - accuracy) / (n - 1))
    assert total > 0
    assert debiased_calibration_error(confidence, correct) == pytest.approx(np.sqrt(total), rel=1e-12)


def test_debiasing_removes_the_noise_floor() -> None:
    rng = np.random.default_rng(4)
    plain, debiased = [], []
    for _ in range(200):
        confidence = rng.random(100)
        correct = rng.random(100) < confidence
        plain.append(expected_calibration_error(confidence, correct))
        debiased.append(debiased_calibration_error(confidence, correct))
    # The floor that the protocol quotes for 100 calibrated images and 15 bins, under another spread of confidences.
    assert 0.08 < np.median(plain) < 0.15
    assert np.median(debiased) < 0.03


def test_bins_of_one_row_have_no_variance_and_add_nothing() -> None:
    assert debiased_calibration_error([0.1, 0.9], [1, 0], bins=2) == 0.0


def test_ks_equals_the_cumulated_gap_without_ties() -> None:
    rng = np.random.default_rng(5)
    confidence, correct = rng.random(500), rng.random(500) < 0.5
    order = np.argsort(confidence)
    expected = np.abs(np.cumsum(confidence[order]) - np.cumsum(correct[order])).max() / 500
    assert ks_calibration_error(confidence, correct) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("bins", [1, 2, 15])
def test_classwise_equals_the_naive_loop(bins: int) -> None:
    rng = np.random.default_rng(6)
    z, labels = rng.standard_normal((1500, 6)) * 2, rng.integers(0, 6, 1500)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    edges, expected = np.linspace(0, 1, bins + 1), 0.0
    for k in range(6):
        for m in range(bins):
            inside = (p[:, k] > edges[m]) & (p[:, k] <= edges[m + 1])
            if inside.any():
                expected += inside.mean() * abs((labels[inside] == k).mean() - p[inside, k].mean()) / 6
    assert classwise_ece(p, labels, bins) == pytest.approx(expected, rel=1e-11)
    assert classwise_ece_of_logits(z, labels, bins) == pytest.approx(expected, rel=1e-11)
    halved = np.exp(z / 2) / np.exp(z / 2).sum(axis=1, keepdims=True)
    warm = classwise_ece_of_logits(z, labels, bins, temperature=2.0)
    assert warm == pytest.approx(classwise_ece(halved, labels, bins), rel=1e-11)


def test_classwise_refuses_logits() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 3 in 1 row\(s\), at 1"):
        classwise_ece([[0.5, 0.5], [3.0, -1.0]], [0, 1])
    with pytest.raises(ValueError, match=r"sum to 1, got 0\.7 in row 1"):
        classwise_ece([[0.5, 0.5], [0.3, 0.4]], [0, 1])


@given(outcomes(), st.integers(1, 20))
def test_reliability_bins_add_up(case: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    confidence, correct = case
    diagram = reliability_bins(confidence, correct, bins)
    assert diagram.n.sum() == len(confidence)
    assert diagram.lower[0] == 0
    assert diagram.upper[-1] == 1
    for column in (diagram.mean_confidence, diagram.accuracy, diagram.accuracy_lo, diagram.accuracy_hi):
        np.testing.assert_array_equal(np.ma.getmaskarray(column), diagram.empty)
        assert np.isfinite(column.data).all()
    gaps = np.abs(diagram.accuracy - diagram.mean_confidence) * diagram.n / len(confidence)
    assert float(gaps.sum()) == pytest.approx(expected_calibration_error(confidence, correct, bins), abs=1e-12)
    for m in np.flatnonzero(~diagram.empty):
        lo, hi = clopper_pearson(round(diagram.accuracy[m] * diagram.n[m]), diagram.n[m])
        assert (diagram.accuracy_lo[m], diagram.accuracy_hi[m]) == (lo, hi)
        assert lo <= diagram.accuracy[m] <= hi


@pytest.mark.parametrize("measure", [*MEASURES, ks_calibration_error, confidence_gap, reliability_bins])
@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        ([], [], "without an empty axis"),
        ([0.5, np.nan], [1, 0], r"finite.*at 1"),
        ([0.5, 1.1], [1, 0], r"in \[0, 1\], got 1.1"),
        ([0.5, -0.1], [1, 0], r"in \[0, 1\], got -0.1"),
        ([0.5, 0.5], [1], r"correct: expected shape \(2,\)"),
        ([0.5, 0.5], [1, 2], "only True and False"),
    ],
)
def test_refuses(measure: Any, confidence: Any, correct: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(confidence, correct)


@pytest.mark.parametrize("measure", [*MEASURES, reliability_bins])
@pytest.mark.parametrize("bins", [0, -1, 2.5])
def test_refuses_an_impossible_number_of_bins(measure: Any, bins: Any) -> None:
    with pytest.raises(ValueError, match="bins"):
        measure([0.5], [1], bins)
