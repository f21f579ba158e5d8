from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.zero_shot import Head, class_weights, cosines, zero_shot_logits
from tests.cache.synthetic import numbers


def test_against_float64() -> None:
    head = Head(class_weights(numbers("w", shape=(5, 8)), [[0], [1, 2], [3, 4, 4]]), scale=50.0, bias=-3.0)
    rows = numbers("e", shape=(11, 8))
    expected = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True) @ head.weights
    np.testing.assert_allclose(zero_shot_logits(rows, head), 50 * expected - 3, atol=2e-4)
    assert zero_shot_logits(rows, head).dtype == np.float32


@given(st.floats(0.01, 100))
def test_the_length_of_an_embedding_does_not_count(length: float) -> None:
    head = Head(class_weights(numbers("w", shape=(3, 8)), [[0], [1], [2]]), scale=10.0, bias=0.0)
    rows = numbers("e", shape=(4, 8))
    np.testing.assert_allclose(cosines(rows * np.float32(length), head), cosines(rows, head), atol=1e-5)
    assert (np.abs(cosines(rows, head)) <= 1 + 1e-6).all()


def test_a_row_without_numbers_stays_without() -> None:
    head = Head(np.eye(2, dtype=np.float32), scale=1.0, bias=0.0)
    logits = zero_shot_logits(np.array([[np.nan, np.nan], [3, 4]], np.float32), head)
    assert np.isnan(logits[0]).all()
    np.testing.assert_allclose(logits[1], [0.6, 0.8], atol=1e-6)


def test_half_precision_is_widened_first() -> None:
    head = Head(np.eye(2, dtype=np.float32), scale=1.0, bias=0.0)
    rows = np.array([[300.0, 400.0]], np.float16)
    np.testing.assert_allclose(zero_shot_logits(rows, head), [[0.6, 0.8]], atol=1e-6)


@pytest.mark.parametrize(
    ("features", "rows"),
    [(np.ones((1, 2)), []), (np.ones((1, 2)), [[]]), (np.zeros((1, 2)), [[0]]), (np.ones(2), [[0]])],
)
def test_odd_sentences(features: np.ndarray, rows: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"class|direction"):
        class_weights(features, rows)
