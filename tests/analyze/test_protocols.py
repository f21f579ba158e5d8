from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp, softmax

from analyze.metrics.softmax import summarize
from analyze.protocols import (
    BY_ID,
    PROTOCOLS,
    any_of,
    member_correct,
    restrict,
    set_losses,
    vid_pm,
)
from manifests.catalogue import load

CATALOGUE = load()
LABELS = CATALOGUE.labels
IMAGENET = LABELS["imagenet-1k"]
SPACES = ("imagenet-r-200", "imagenet-a-200", "objectnet-113", "vid-robust-30", "cue-16", "imagenet-d-113")

MEMBERS = ((0,), (1, 3), (4, 5, 6))


def logits_of(n: int, c: int = 1000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 5, (n, c)).astype(np.float32)


def test_manifests_name_protocols_that_exist_and_every_protocol_is_named() -> None:
    named = {protocol for dataset in CATALOGUE.datasets.values() for protocol in dataset.protocols}
    assert named == {name for name in BY_ID if not name.startswith("own-")}


def test_protocols_of_own_worlds_leave_the_label_space_to_the_set() -> None:
    assert {name for name, one in BY_ID.items() if not one.label_space} == {
        "subset-200",
        *(name for name in BY_ID if name.startswith("own-")),
    }
    assert len(BY_ID) == len(PROTOCOLS)
    assert all(protocol.label_space in {"", *LABELS} for protocol in PROTOCOLS)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("merge", ["max", "logsumexp", "mean"])
def test_merges_against_a_loop(name: str, merge: str) -> None:
    logits = logits_of(7)
    members = LABELS[name].members
    found = restrict(logits, members, merge)  # type: ignore[arg-type]
    for column, group in enumerate(members):
        part = logits[:, list(group)].astype(np.float64)
        expected = {
            "max": part.max(axis=1),
            "logsumexp": logsumexp(part, axis=1),
            "mean": logsumexp(part, axis=1) - np.log(len(group)),
        }[merge]
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-6, atol=1e-6)


def test_the_testbed_decides_by_the_best_column_that_counts() -> None:
    """ImageNet testbed: keep the columns of the groups, argmax, right if the column is among those of the class."""
    logits, space = logits_of(500), LABELS["objectnet-113"]
    columns = np.array(sorted(column for group in space.members for column in group))
    best = columns[logits[:, columns].argmax(axis=1)]
    decision = restrict(logits, space.members).argmax(axis=1)
    assert all(best[row] in space.members[decision[row]] for row in range(500))


def test_sixteen_cue_classes_are_decided_by_the_mean_probability_over_all_columns() -> None:
    logits, space = logits_of(300), LABELS["cue-16"]
    probability = softmax(logits.astype(np.float64), axis=1)
    mean = np.stack([probability[:, list(group)].mean(axis=1) for group in space.members], axis=1)
    np.testing.assert_array_equal(restrict(logits, space.members, "mean").argmax(axis=1), mean.argmax(axis=1))


def test_mean_probabilities_that_underflow_are_still_told_apart() -> None:
    logits = np.full((1, 1000), -2000.0)
    logits[0, 0] = 0.0  # a tench has all the probability; what is left for the sixteen classes is below 1e-300
    logits[0, 499] = -1999.0
    assert restrict(logits, LABELS["cue-16"].members, "mean").argmax() == LABELS["cue-16"].index_of("knife")


@given(arrays(np.float64, (3, 7), elements=st.floats(-50, 50)), st.floats(-100, 100))
def test_merging_is_untouched_by_a_shift_and_orders_of_columns(logits: np.ndarray, shift: float) -> None:
    order = np.random.default_rng(0).permutation(7)
    place = np.argsort(order)
    moved = tuple(tuple(int(place[column]) for column in group) for group in MEMBERS)
    for merge in ("max", "logsumexp", "mean"):
        found = restrict(logits, MEMBERS, merge)  # type: ignore[arg-type]
        np.testing.assert_allclose(restrict(logits + shift, MEMBERS, merge) - shift, found, atol=1e-9)  # type: ignore[arg-type]
        np.testing.assert_allclose(restrict(logits[:, order], moved, merge), found, atol=1e-9)  # type: ignore[arg-type]


@given(arrays(np.float64, (2, 7), elements=st.floats(-30, 30)))
def test_probabilities_of_groups_are_sums_of_those_of_their_columns(logits: np.ndarray) -> None:
    kept = sorted(column for group in MEMBERS for column in group)
    part = softmax(logits[:, kept], axis=1)
    place = {column: at for at, column in enumerate(kept)}
    expected = np.stack([part[:, [place[column] for column in group]].sum(axis=1) for group in MEMBERS], axis=1)
    np.testing.assert_allclose(softmax(restrict(logits, MEMBERS, "logsumexp"), axis=1), expected, atol=1e-12)


def test_the_sound_merge_may_decide_otherwise_than_the_largest_logit() -> None:
    logits = np.array([[2.0, 1.8, 0.0, 1.8, 0.0, 0.0, 0.0]])
    assert restrict(logits, MEMBERS).argmax() == 0
    assert restrict(logits, MEMBERS, "logsumexp").argmax() == 1


def test_classes_of_one_name_tie_and_the_first_index_wins() -> None:
    logits = np.zeros((2, 1000), np.float32)
    logits[0, [657, 744]] = 5.0  # missile
    logits[1, [836, 837]] = 5.0  # sunglasses
    assert (IMAGENET.names[657], IMAGENET.names[836]) == (IMAGENET.names[744], IMAGENET.names[837])
    whole = restrict(logits, [[column] for column in range(1000)])
    assert whole.argmax(axis=1).tolist() == summarize(logits).prediction.tolist() == [657, 836]
    # ImageNet-R has the first missile; ObjectNet's sunglasses are the second.
    assert LABELS["imagenet-r-200"].members[restrict(logits, LABELS["imagenet-r-200"].members)[0].argmax()] == (657,)
    objects = LABELS["objectnet-113"]
    assert objects.keys[restrict(logits, objects.members)[1].argmax()] == "sunglasses"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([], "groups of at least one column"),
        ([[0], []], r"sizes \[1, 0\]"),
        ([[0, 7]], "columns 0 to 6, got 0 to 7"),
        ([[-1]], "columns 0 to 6, got -1 to -1"),
        ([[0, 1], [1]], "every column in one group"),
    ],
)
def test_groups_that_mean_nothing_are_refused(members: list[list[int]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        restrict(np.zeros((1, 7)), members)


def test_not_a_number_is_refused_where_it_counts_and_left_alone_where_not() -> None:
    logits = np.zeros((1, 7))
    logits[0, 2] = np.nan
    assert restrict(logits, MEMBERS).tolist() == [[0.0, 0.0, 0.0]]
    logits[0, 3] = np.inf
    with pytest.raises(ValueError, match=r"NaN or infinity in 1 row\(s\), at 0"):
        restrict(logits, MEMBERS)
    with pytest.raises(ValueError, match="max, logsumexp or mean"):
        restrict(np.zeros((1, 7)), MEMBERS, "median")  # type: ignore[arg-type]


def test_any_right_class_will_do() -> None:
    targets = np.array([[True, False, True], [False, True, False], [False, False, False]])
    assert any_of([2, 2, 0], targets).tolist() == [True, False, False]
    with pytest.raises(ValueError, match=r"expected shape \(3,\)"):
        any_of([0, 1], targets)


def test_the_official_rule_counts_classes_that_cannot_be_named_as_wrong() -> None:
    logits = np.array(
        [[9.0, 0, 0, 0, 0, 0, 0], [0, 0, 9.0, 0, 0, 0, 0], [0, 0, 0, 9.0, 0, 0, 0], [0, 9.0, 0, 0, 0, 0, 0]]
    )
    targets = np.array([[True, False, False], [True, False, False], [False, True, False], [False, False, False]])
    assert member_correct(logits, MEMBERS, targets).tolist() == [True, False, True, False]


def test_the_official_rule_is_never_easier_than_the_restricted_one() -> None:
    logits, space = logits_of(400), LABELS["objectnet-113"]
    labels = np.arange(400) % 113
    targets = np.eye(113, dtype=bool)[labels]
    logits[np.arange(400), [space.members[label][0] for label in labels]] += 15
    official = member_correct(logits, space.members, targets)
    restricted = any_of(restrict(logits, space.members).argmax(axis=1), targets)
    assert not (official & ~restricted).any()
    assert 0 < official.sum() < restricted.sum() < 400


@given(arrays(np.float64, (4, 6), elements=st.floats(-40, 40)), st.lists(st.integers(0, 5), min_size=4, max_size=4))
def test_one_right_class_gives_the_ordinary_losses(logits: np.ndarray, labels: list[int]) -> None:
    nll, brier = set_losses(logits, np.eye(6, dtype=bool)[labels])
    summary = summarize(logits, labels)
    np.testing.assert_allclose(nll, summary.nll, atol=1e-9)
    np.testing.assert_allclose(brier, summary.brier, atol=1e-9)


def test_several_right_classes_count_as_one() -> None:
    logits = np.log([[0.5, 0.25, 0.125, 0.125]])
    nll, brier = set_losses(logits, np.array([[True, False, True, False]]))
    assert nll[0] == pytest.approx(-np.log(0.625))
    assert brier[0] == pytest.approx(0.375**2 + 0.25**2 + 0.125**2)
    far = np.array([[0.0, -5000.0, -5001.0]])
    assert set_losses(far, np.array([[False, True, True]]))[0][0] == pytest.approx(5000 - np.log1p(np.exp(-1)))
    with pytest.raises(ValueError, match="right class in every row"):
        set_losses(logits, np.zeros((1, 4), bool))


def test_pm_0_asks_the_anchor_and_pm_10_all_frames_around_it() -> None:
    samples = ["n1", "a", "n2", "b", "n3", "c"]
    anchors = ["a", "a", "a", "b", "b", "c"]
    rows, pm0, pm10 = vid_pm(np.array([True, True, True, True, False, False]), samples, anchors)
    assert rows.tolist() == [1, 3, 5]
    assert pm0.tolist() == [True, True, False]
    assert pm10.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("samples", "anchors", "said"),
    [
        (["a", "b"], ["a", "z"], "1 are not among the frames, the first is 'z'"),
        (["a", "b"], ["b", "a"], "has another anchor itself"),
        (["a", "b"], ["a"], "one sample and one anchor a frame"),
    ],
)
def test_frames_without_an_anchor_are_told(samples: list[str], anchors: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        vid_pm(np.ones(2, bool), samples, anchors)
