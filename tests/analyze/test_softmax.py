"""The one pass over logits: against scipy on whole arrays, at the ends of the number range, and in flat memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from analyze.metrics.softmax import LogitSummary, summarize

FLOAT_FIELDS = ("confidence", "log_sum_exp", "max_logit", "entropy", "sum_squares")
finite = st.floats(-50, 50, width=32)
matrices = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=finite)


def reference(z: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    z = z.astype(np.float64)
    p, log_p = special.softmax(z, axis=1), special.log_softmax(z, axis=1)
    truth = np.eye(z.shape[1])[labels]
    return {
        "confidence": p.max(axis=1),
        "log_sum_exp": special.logsumexp(z, axis=1),
        "max_logit": z.max(axis=1),
        "entropy": -(p * log_p).sum(axis=1),
        "sum_squares": (p**2).sum(axis=1),
        "nll": -log_p[np.arange(len(z)), labels],
        "brier": ((p - truth) ** 2).sum(axis=1),
    }


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6), (np.float16, 2e-6)])
@pytest.mark.parametrize("shape", [(37, 11), (5, 3), (1, 1), (4, 1000)])
def test_equals_scipy(dtype: type, tolerance: float, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    z = (rng.standard_normal(shape) * 4).astype(dtype)
    labels = rng.integers(0, shape[1], shape[0])
    summary = summarize(z, labels, block=8)
    for name, expected in reference(z, labels).items():
        np.testing.assert_allclose(getattr(summary, name), expected, rtol=tolerance, atol=tolerance, err_msg=name)
    order = np.argsort(-z.astype(np.float64), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(summary.top5_index, order)
    np.testing.assert_array_equal(summary.top5_logit, np.take_along_axis(z, order, axis=1))
    np.testing.assert_array_equal(summary.prediction, order[:, 0])


def test_ties_go_to_the_lowest_index() -> None:
    summary = summarize(np.array([[1.0, 2.0, 2.0, 0.0, 1.0, 0.0]]))
    assert summary.top5_index.tolist() == [[1, 2, 0, 4, 3]]


def test_without_labels_there_is_no_loss() -> None:
    summary = summarize([[1.0, 2.0]])
    assert summary.nll is None
    assert summary.brier is None


def test_float32_keeps_the_digits_of_a_sure_row() -> None:
    # One class leads by 30: the loss is exp(-30), far below the resolution of 1 in float32.
    summary = summarize(np.array([[30.0, 0.0]], np.float32), [0])
    assert summary.nll is not None
    assert summary.brier is not None
    assert summary.nll[0] == pytest.approx(np.exp(-30), rel=1e-5)
    assert summary.brier[0] == pytest.approx(2 * np.exp(-60), rel=1e-5)
    assert 0 < summary.entropy[0] < 1e-11


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_large_logits_do_not_overflow(size: float) -> None:
    summary = summarize([[size, -size]], [1])
    assert summary.confidence.tolist() == [1.0]
    assert summary.entropy.tolist() == [0.0]
    assert summary.nll is not None
    assert summary.nll.tolist() == [2 * size]


def test_temperature_divides_the_logits_but_not_the_largest_ones() -> None:
    rng = np.random.default_rng(1)
    z, labels = rng.standard_normal((20, 7)), rng.integers(0, 7, 20)
    warm = summarize(z, labels, temperature=2.5)
    for name, expected in reference(z / 2.5, labels).items():
        if name != "max_logit":
            np.testing.assert_allclose(getattr(warm, name), expected, rtol=1e-12, atol=1e-14, err_msg=name)
    np.testing.assert_array_equal(warm.max_logit, z.max(axis=1))


@given(matrices, st.floats(-100, 100))
def test_a_constant_added_to_a_row_changes_only_levels(z: np.ndarray, shift: float) -> None:
    before, after = summarize(z), summarize(z + shift)
    for name in ("confidence", "entropy", "sum_squares"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(after.log_sum_exp, before.log_sum_exp + shift, rtol=1e-9, atol=1e-9)


@given(matrices, st.randoms(use_true_random=False))
def test_rows_may_come_in_any_order(z: np.ndarray, random: Any) -> None:
    order = np.array(random.sample(range(len(z)), len(z)))
    straight, shuffled = summarize(z, block=3), summarize(z[order], block=2)
    for name in (*FLOAT_FIELDS, "prediction", "top5_index", "top5_logit"):
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(straight, name)[order], err_msg=name)


@given(matrices)
def test_ranges(z: np.ndarray) -> None:
    summary, c = summarize(z, np.zeros(len(z), int)), z.shape[1]
    slack = 1e-12
    assert ((summary.confidence >= 1 / c - slack) & (summary.confidence <= 1)).all()
    assert ((summary.sum_squares >= 1 / c - slack) & (summary.sum_squares <= 1 + slack)).all()
    assert ((summary.entropy >= -slack) & (summary.entropy <= np.log(c) + slack)).all()
    assert summary.nll is not None
    assert summary.brier is not None
    assert (summary.nll >= 0).all()
    assert ((summary.brier >= 0) & (summary.brier <= 2 + slack)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_names_the_rows_that_are_not_finite(bad: float) -> None:
    z = np.zeros((10, 3), np.float32)
    z[[4, 7], 1] = bad
    with pytest.raises(ValueError, match=r"logits: expected finite numbers.*2 row\(s\), at 4, 7|1 row\(s\), at 4"):
        summarize(z, block=4)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 3)), None, r"expected shape \(n, c\).*\(0, 3\)"),
        (np.zeros(3), None, r"expected shape \(n, c\).*\(3,\)"),
        ([["a", "b"]], None, "expected real numbers"),
        (np.zeros((2, 3)), [0], r"labels: expected shape \(2,\)"),
        (np.zeros((2, 3)), [0, 3], "class indices 0 to 2, got 3"),
        (np.zeros((2, 3)), [0, -1], "class indices 0 to 2, got -1"),
        (np.zeros((2, 3)), [0.0, 1.0], "expected integer class indices"),
    ],
)
def test_refuses(logits: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summarize(logits, labels)


def test_refuses_an_impossible_block_or_temperature() -> None:
    with pytest.raises(ValueError, match="block"):
        summarize([[0.0]], block=0)
    for temperature in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="temperature"):
            summarize([[0.0]], temperature=temperature)


@pytest.mark.parametrize("c", [10, 1000, 40_000])
def test_memory_beyond_input_and_result_is_bounded(c: int) -> None:
    z = np.zeros((4_000_000 // c, c), np.float16)
    tracemalloc.start()
    summary = summarize(z, np.zeros(len(z), int))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    kept = sum(getattr(summary, name).nbytes for name in LogitSummary.__dataclass_fields__)
    assert peak - kept < 64 << 20
