"""Top-k accuracy: hand cases with ties, scikit-learn, and invariances."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from analyze.metrics.accuracy import accuracy, top_k_correct


def test_a_tied_label_counts_only_if_its_index_is_low_enough() -> None:
    z = np.zeros((4, 4))
    assert top_k_correct(z, [0, 1, 2, 3], 1).tolist() == [True, False, False, False]
    assert top_k_correct(z, [0, 1, 2, 3], 3).tolist() == [True, True, True, False]


def test_ties_below_the_label_do_not_matter() -> None:
    assert top_k_correct([[0.0, 0.0, 1.0]], [2]).tolist() == [True]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equals_scikit_learn_without_ties(k: int) -> None:
    rng = np.random.default_rng(0)
    z, labels = rng.standard_normal((3000, 20)), rng.integers(0, 20, 3000)
    assert accuracy(z, labels, k) == top_k_accuracy_score(labels, z, k=k, labels=np.arange(20))


# Whole numbers, so that adding one and tying are exact.
whole = hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(2, 8)), elements=st.integers(-3, 3))


@given(whole, st.integers(-100, 100), st.data())
def test_equals_the_stable_sort_and_ignores_shifts(z: np.ndarray, shift: int, data: st.DataObject) -> None:
    n, c = z.shape
    labels = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, c - 1)))
    k = data.draw(st.integers(1, c))
    first_k = np.argsort(-z, axis=1, kind="stable")[:, :k]
    expected = (first_k == labels[:, None]).any(axis=1)
    np.testing.assert_array_equal(top_k_correct(z, labels, k), expected)
    np.testing.assert_array_equal(top_k_correct(z + np.float32(shift), labels, k), expected)


@pytest.mark.parametrize("k", [0, 4, -1])
def test_refuses_k_outside_the_classes(k: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to 3.*got {k}"):
        top_k_correct(np.zeros((2, 3)), [0, 1], k)


def test_names_rows_that_are_not_finite() -> None:
    z = np.zeros((3000, 2))
    z[2000, 0] = np.nan
    with pytest.raises(ValueError, match=r"1 row\(s\), at 2000"):
        accuracy(z, np.zeros(3000, int))
