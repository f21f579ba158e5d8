from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from analyze.metrics.shape_bias import category_counts, cue_counts, decide_16, pooled_shape_bias, shape_bias
from analyze.protocols import restrict
from manifests.catalogue import load

CUE = load().labels["cue-16"]


def test_by_hand() -> None:
    # shape, texture, neither, no conflict (right, but it does not count), shape
    found = shape_bias([0, 1, 2, 3, 4], [0, 0, 0, 3, 4], [1, 1, 1, 3, 5])
    assert found == (2 / 3, 2, 1, 3 / 4)
    assert (found.value, found.n_shape, found.n_texture, found.coverage) == found


def test_the_human_numbers_of_the_paper() -> None:
    """9,236 decisions for the shape and 398 for the texture, pooled over observers, are 0.95869."""
    decisions = np.repeat([0, 1, 2], [9236, 398, 2366])
    found = shape_bias(decisions, np.zeros(12_000, int), np.ones(12_000, int))
    assert round(found.value, 5) == 0.95869
    assert found.coverage == pytest.approx(9634 / 12_000)


def test_pooled_is_not_the_mean_of_ratios() -> None:
    decisions = [[0, 0, 0, 1], [1, 2, 2, 2]]
    each = [shape_bias(row, [0] * 4, [1] * 4).value for row in decisions]
    assert pooled_shape_bias(decisions, [0] * 4, [1] * 4).value == 3 / 5 != np.mean(each)
    with pytest.raises(ValueError, match=r"expected shape \(s, 3\)"):
        pooled_shape_bias(decisions, [0] * 3, [1] * 3)


def test_names_and_indices_say_the_same() -> None:
    rng = np.random.default_rng(0)
    decisions, shapes, textures = (rng.integers(0, 16, 200) for _ in range(3))
    names = np.asarray(CUE.keys)
    assert shape_bias(decisions, shapes, textures) == shape_bias(names[decisions], names[shapes], names[textures])
    with pytest.raises(ValueError, match="all integers or all strings"):
        shape_bias(names[decisions], shapes, textures)


@pytest.mark.parametrize(
    ("decisions", "shapes", "textures", "message"),
    [
        ([], [], [], "n >= 1"),
        ([1], [1, 2], [1, 2], "expected one shape"),
        ([0.0], [0.0], [1.0], "all integers or all strings"),
        ([0], [0], [0], "shape and texture differ, got none"),
        ([2], [0], [1], "none of 1 is for the shape or the texture"),
    ],
)
def test_what_is_undefined_is_an_error_and_never_0(decisions: Any, shapes: Any, textures: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shape_bias(decisions, shapes, textures)


@given(st.integers(0, 1000), st.integers(20, 100))
def test_categories_add_up_and_swapping_the_cues_mirrors_the_bias(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    decisions, shapes, textures = (rng.integers(0, 4, n) for _ in range(3))
    counts = cue_counts(decisions, shapes, textures)
    parts = category_counts(decisions, shapes, textures, 4).values()
    assert tuple(np.sum(list(parts), axis=0)) == counts
    if counts.n_shape + counts.n_texture:
        there, back = shape_bias(decisions, shapes, textures), shape_bias(decisions, textures, shapes)
        assert there.value == pytest.approx(1 - back.value)
        assert there.coverage == back.coverage


@pytest.mark.parametrize(("merge", "of"), [("mean", np.mean), ("sum", np.sum), ("max", np.max)])
def test_decisions_equal_those_of_softmax_over_all_1000(merge: Any, of: Any) -> None:
    logits = np.random.default_rng(1).normal(0, 4, (300, 1000))
    p = softmax(logits, axis=1)
    scores = np.stack([of(p[:, list(columns)], axis=1) for columns in CUE.members], axis=1)
    np.testing.assert_array_equal(decide_16(logits, merge), scores.argmax(axis=1))


def test_merges_differ_as_the_numbers_of_classes_do() -> None:
    logits = np.zeros((1, 1000))
    logits[0, list(CUE.members[CUE.index_of("dog")])] = 3.0  # 109 dogs
    logits[0, 499] = 6.0  # one knife
    assert [CUE.keys[int(decide_16(logits, merge)[0])] for merge in ("mean", "sum", "max")] == ["knife", "dog", "knife"]


@given(st.integers(0, 100), st.floats(0.1, 300), st.floats(-1e3, 1e3))
def test_equals_restrict_whatever_the_scale(seed: int, scale: float, shift: float) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, (5, 1000))
    expected = restrict(logits, CUE.members, "mean").argmax(axis=1)
    np.testing.assert_array_equal(decide_16(logits), expected)
    np.testing.assert_array_equal(decide_16(logits + shift), expected)


def test_ties_go_to_the_first_category_and_underflow_makes_none() -> None:
    assert decide_16(np.zeros((1, 1000))).tolist() == [0]
    logits = np.zeros((1, 1000))
    logits[0, 999] = 5000.0  # toilet paper: the probability of all 16 categories underflows
    logits[0, 499] = 1.0
    assert CUE.keys[int(decide_16(logits)[0])] == "knife"


@pytest.mark.parametrize(
    ("logits", "merge", "message"),
    [
        (np.zeros((2, 999)), "mean", r"expected shape \(n, 1000\)"),
        (np.zeros((0, 1000)), "mean", "without an empty axis"),
        (np.full((1, 1000), np.nan), "mean", "finite"),
        (np.zeros((1, 1000)), "median", "mean, sum or max"),
    ],
)
def test_refuses_logits(logits: Any, merge: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decide_16(logits, merge)
