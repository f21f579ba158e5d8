"""Four options: the identity of one's own list, and orders that must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.metrics.options import listed_correct, option_lists, read_choices, rotated


def case(seed: int, tied: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.integers(0, 3, (40, 9)).astype(float) if tied else rng.standard_normal((40, 9))
    return logits, rng.integers(0, 9, 40)


@given(seed=st.integers(0, 2**32 - 1), tied=st.booleans())
def test_ones_own_list_gives_the_full_accuracy(seed: int, tied: bool) -> None:
    logits, labels = case(seed, tied)
    full = logits.argmax(axis=1) == labels
    np.testing.assert_array_equal(listed_correct(logits, option_lists(logits, labels)), full)


@given(seed=st.integers(0, 2**32 - 1), other=st.integers(0, 2**32 - 1))
def test_another_list_is_never_harder(seed: int, other: int) -> None:
    logits, labels = case(seed, False)
    chooser, _ = case(other, False)
    own = listed_correct(logits, option_lists(logits, labels))
    assert (listed_correct(logits, option_lists(chooser, labels)) | ~own).all()


@given(seed=st.integers(0, 2**32 - 1), turn=st.integers(0, 3))
def test_the_order_of_wrong_options_does_not_matter(seed: int, turn: int) -> None:
    logits, labels = case(seed, True)
    lists = option_lists(logits, labels)
    turned = np.concatenate([lists[:, :1], np.roll(lists[:, 1:], turn, axis=1)], axis=1)
    np.testing.assert_array_equal(listed_correct(logits, lists), listed_correct(logits, turned))


def test_rotations_move_the_right_class_through_all_places() -> None:
    assert [rotated([7, 1, 2, 3], turn).tolist().index(7) for turn in range(4)] == [0, 1, 2, 3]


def test_readings() -> None:
    found = read_choices([[0, 1, 2, 3], [0, 0, 0, -1], [1, 1, 2, 3], [-1, -1, -1, -1]])
    assert (found.paper, found.circular, found.n) == (0.5, 0.25, 4)
    assert found.shuffled == (4 + 1 + 3 + 0) / 16
    assert found.unparsed == 5 / 16
    assert found.letters == (4 / 11, 3 / 11, 2 / 11, 2 / 11)


def test_nothing_read_has_no_letters() -> None:
    assert read_choices([[-1, -1]]).letters == (0.0, 0.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: option_lists([[0.0, 1.0]], [0], wrong=2), "expected 1 to 1 for 2 classes"),
        (lambda: listed_correct([[0.0, 1.0]], [[0, 0]]), "offered twice"),
        (lambda: listed_correct([[0.0, 1.0]], [[0, 2]]), "expected classes 0 to 1"),
        (lambda: listed_correct([[0.0, np.nan]], [[0, 1]]), "expected finite"),
        (lambda: listed_correct([[0.0, 1.0]], [[0, 1], [0, 1]]), r"expected shape \(1, k\)"),
        (lambda: read_choices([[2, 0]]), "expected places -1 to 1"),
        (lambda: read_choices(np.zeros((0, 4), int)), "whole numbers of shape"),
    ],
)
def test_bad_input_is_named(call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
