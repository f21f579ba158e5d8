"""AUROC, AUPR, FPR at TPR: the protocol's five test vectors under all five rules, scikit-learn, scipy, properties."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from analyze.metrics.detection import RULES, aupr, auroc, fpr_at_tpr

# (ID, OOD, AUROC, hendrycks, ninco, vim, exact, openood), as fractions so that equality is exact.
VECTORS = {
    "A": (
        np.arange(2, 61, 2),
        [*range(1, 11), *range(4, 41, 4)],
        945 / 1200,
        15 / 20,
        15 / 20,
        14 / 20,
        17 / 20,
        18 / 30,
    ),
    "B": ([1] * 2 + [2] * 8 + [3] * 10, [1] * 6 + [2] * 4, 170 / 200, 4 / 10, 1.0, 1.0, 1.0, 10 / 20),
    "C": (np.arange(1, 20), np.arange(0.5, 10), 145 / 190, 9 / 10, 8 / 10, 8 / 10, 9 / 10, 9 / 19),
    "D": (np.arange(1, 101), np.arange(-9.5, 20), 2810 / 3000, 15 / 30, 14 / 30, 14 / 30, 14 / 30, 18 / 100),
    "E": ([7.0] * 5, [7.0] * 3, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0),
}
ORDER = ("hendrycks", "ninco", "vim", "exact", "openood")

# Whole numbers, so that ties are common.
scores = hnp.arrays(np.float64, st.integers(1, 30), elements=st.integers(-6, 6).map(float))


@pytest.mark.parametrize("name", VECTORS)
def test_protocol_vectors_hold_exactly(name: str) -> None:
    inside, outside, area, *rates = VECTORS[name]
    assert auroc(inside, outside) == area
    for rule, rate in zip(ORDER, rates, strict=True):
        assert fpr_at_tpr(inside, outside, rule=rule) == rate, rule  # type: ignore[arg-type]
    assert fpr_at_tpr(inside, outside) == rates[ORDER.index("exact")]


def test_protocol_vectors_as_printed() -> None:
    printed = {"A": 0.7875, "B": 0.85, "C": 0.763158, "D": 0.936667, "E": 0.5}
    for name, area in printed.items():
        assert auroc(*VECTORS[name][:2]) == pytest.approx(area, abs=5e-7)


@given(scores, scores)
def test_auroc_equals_scikit_learn_and_scipy(inside: np.ndarray, outside: np.ndarray) -> None:
    truth = np.repeat([1, 0], [len(inside), len(outside)])
    value = auroc(inside, outside)
    assert value == pytest.approx(roc_auc_score(truth, np.concatenate([inside, outside])), abs=1e-12)
    u = mannwhitneyu(inside, outside, method="asymptotic").statistic if np.ptp(np.r_[inside, outside]) else None
    assert u is None or value == pytest.approx(u / len(inside) / len(outside), abs=1e-12)


@given(scores, scores)
def test_auroc_is_symmetric(inside: np.ndarray, outside: np.ndarray) -> None:
    assert auroc(inside, outside) + auroc(-inside, -outside) == pytest.approx(1, abs=1e-15)
    assert auroc(inside, outside) + auroc(outside, inside) == pytest.approx(1, abs=1e-15)


@given(scores, scores)
def test_only_the_ranking_matters(inside: np.ndarray, outside: np.ndarray) -> None:
    def stretch(values: np.ndarray) -> np.ndarray:
        return np.exp(values) - 3

    assert auroc(stretch(inside), stretch(outside)) == auroc(inside, outside)
    assert aupr(stretch(inside), stretch(outside)) == aupr(inside, outside)
    for rule in set(RULES) - {"ninco"}:  # which interpolates between scores
        assert fpr_at_tpr(stretch(inside), stretch(outside), rule=rule) == fpr_at_tpr(inside, outside, rule=rule)


@given(scores, scores)
def test_aupr_equals_scikit_learn(inside: np.ndarray, outside: np.ndarray) -> None:
    truth, values = np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate([inside, outside])
    assert aupr(inside, outside) == pytest.approx(average_precision_score(truth, values), abs=1e-12)
    assert aupr(inside, outside, "ood") == pytest.approx(average_precision_score(1 - truth, -values), abs=1e-12)


@given(scores, scores, st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_exact_and_openood_equal_the_full_roc_curve(inside: np.ndarray, outside: np.ndarray, tpr: float) -> None:
    truth, values = np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate([inside, outside])
    fpr, recall, _ = roc_curve(truth, values, drop_intermediate=False)
    assert fpr_at_tpr(inside, outside, tpr) == pytest.approx(fpr[recall >= tpr - 1e-9].min(), abs=1e-12)
    fpr, recall, _ = roc_curve(1 - truth, -values, drop_intermediate=False)
    assert fpr_at_tpr(inside, outside, tpr, "openood") == pytest.approx(fpr[recall >= tpr - 1e-9].min(), abs=1e-12)


@given(scores, scores, st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_hendrycks_equals_the_nearest_point_of_the_full_curve(
    inside: np.ndarray, outside: np.ndarray, tpr: float
) -> None:
    points = []
    for threshold in np.unique(np.concatenate([inside, outside]))[::-1]:
        points.append(((inside >= threshold).mean(), (outside >= threshold).mean()))
        if points[-1][0] == 1:
            break
    nearest = min(abs(recall - tpr) for recall, _ in points)
    recall = min(r for r, _ in points if abs(r - tpr) <= nearest + 1e-12)
    expected = max(rate for r, rate in points if r == recall)
    assert fpr_at_tpr(inside, outside, tpr, "hendrycks") == expected


@given(scores, scores)
def test_ninco_equals_numpy_quantile(inside: np.ndarray, outside: np.ndarray) -> None:
    assert fpr_at_tpr(inside, outside, rule="ninco") == (outside >= np.quantile(inside, 0.05)).mean()


@given(scores, scores)
def test_vim_equals_its_definition(inside: np.ndarray, outside: np.ndarray) -> None:
    threshold = np.sort(inside)[-int(np.floor(0.95 * len(inside)))]
    assert fpr_at_tpr(inside, outside, rule="vim") == (outside >= threshold).mean()


def test_rounding_guard_changes_no_rank_of_the_source() -> None:
    n = np.arange(1, 200_001)
    np.testing.assert_array_equal(np.floor(0.95 * n), np.floor(0.95 * n + 1e-9))
    np.testing.assert_array_equal(np.ceil(0.95 * n - 1e-9), (95 * n + 99) // 100)


def test_rules_agree_on_many_images() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.standard_normal(50_000) + 2, rng.standard_normal(10_000)
    rates = [fpr_at_tpr(inside, outside, rule=rule) for rule in RULES if rule != "openood"]
    assert max(rates) - min(rates) < 1e-3


def test_types_may_differ() -> None:
    inside = np.array([0.1, 0.9], np.float32)
    assert auroc(inside, [0, 1]) == auroc(inside.astype(np.float64), np.array([0.0, 1.0]))


@pytest.mark.parametrize("measure", [auroc, aupr, fpr_at_tpr])
@pytest.mark.parametrize(
    ("inside", "outside", "message"),
    [
        ([], [1.0], "id_scores: expected shape"),
        ([1.0], [], "ood_scores: expected shape"),
        ([1.0, np.nan], [0.0], r"id_scores: expected finite.*at 1"),
        ([1.0], [-np.inf, 0.0], r"ood_scores: expected finite.*at 0"),
        ([[1.0]], [0.0], r"expected shape \(n,\)"),
    ],
)
def test_refuses(measure: Any, inside: Any, outside: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(inside, outside)


def test_refuses_unknown_rules_rates_and_classes() -> None:
    with pytest.raises(ValueError, match="expected one of exact, hendrycks, ninco, vim, openood"):
        fpr_at_tpr([1.0], [0.0], rule="median")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tpr"):
        fpr_at_tpr([1.0], [0.0], tpr=95)
    with pytest.raises(ValueError, match='"id" or "ood"'):
        aupr([1.0], [0.0], "in")  # type: ignore[arg-type]
