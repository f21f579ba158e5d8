from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.metrics.calibration import expected_calibration_error
from analyze.metrics.factors import (
    complement_accuracies,
    error_ratios,
    factor_accuracies,
    metaclass_correct,
    worst_class_accuracy,
    worst_factor,
)
from manifests.catalogue import load

FACTORS = load().factors["imagenet-x"]

# Six images; factors "pose" (0, 1, 2), "style" (2, 3); image 4 and 5 have none.
RIGHT = np.array([True, True, False, False, True, False])
MEMBERS = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [0, 0], [0, 0]], bool)


def test_by_hand() -> None:
    assert factor_accuracies(RIGHT, MEMBERS) == pytest.approx([2 / 3, 0])
    assert complement_accuracies(RIGHT, MEMBERS) == pytest.approx([1 / 3, 3 / 4])
    assert error_ratios(RIGHT, MEMBERS) == pytest.approx([(1 / 3) / (1 / 2), 1 / (1 / 2)])
    assert worst_factor(RIGHT, MEMBERS) == (1, 0.0)


def test_of_equally_bad_factors_the_first_is_the_worst() -> None:
    assert worst_factor([1, 0], np.array([[False, True], [True, False]])[:, ::-1]) == (1, 0.0)
    assert worst_factor([0, 0], np.eye(2, dtype=bool)) == (0, 0.0)


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    n, k = draw(st.integers(1, 30)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    members = rng.random((n, k)) < draw(st.floats(0.1, 0.9))
    members[rng.integers(0, n, k), np.arange(k)] = True
    return rng.random(n) < draw(st.floats(0, 1)), members


@given(answers())
def test_the_whole_is_the_weighted_mean_of_a_factor_and_its_complement(case: tuple[Any, Any]) -> None:
    right, members = case
    proper = members[:, ~members.all(axis=0)]
    if not proper.shape[1]:
        return
    share = proper.mean(axis=0)
    whole = share * factor_accuracies(right, proper) + (1 - share) * complement_accuracies(right, proper)
    np.testing.assert_allclose(whole, right.mean(), atol=1e-12)


@given(answers())
def test_the_order_of_images_does_not_matter(case: tuple[Any, Any]) -> None:
    right, members = case
    back = slice(None, None, -1)
    np.testing.assert_array_equal(factor_accuracies(right, members), factor_accuracies(right[back], members[back]))
    assert worst_factor(right, members) == worst_factor(right[back], members[back])


@given(answers())
def test_a_factor_of_every_image_has_error_ratio_1(case: tuple[Any, Any]) -> None:
    right = case[0]
    right[0] = False
    assert error_ratios(right, np.ones((len(right), 1), bool)).tolist() == [1.0]


def test_the_worst_classes_by_hand() -> None:
    right = [1, 1, 0, 1, 0, 0, 1]
    labels = [4, 4, 4, 9, 2, 2, 2]  # accuracies: 2/3, 1, 1/3
    assert worst_class_accuracy(right, labels, 1) == pytest.approx(1 / 3)
    assert worst_class_accuracy(right, labels, 2) == pytest.approx(3 / 6)
    assert worst_class_accuracy(right, labels, 3) == pytest.approx(np.mean(right))
    # Classes 0 and 1 are equally bad; the lower one, which has more images, is taken.
    assert worst_class_accuracy([1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1, 2], 2) == 0.5


@pytest.mark.parametrize("k", [0, 4])
def test_worst_classes_out_of_range(k: int) -> None:
    with pytest.raises(ValueError, match="k: expected 1 to 3"):
        worst_class_accuracy([1, 0, 1], [0, 1, 2], k)


@pytest.mark.parametrize(
    ("right", "members", "message"),
    [
        ([], np.ones((0, 1), bool), "at least one answer"),
        ([0.5], np.ones((1, 1), bool), "only True and False"),
        ([np.nan], np.ones((1, 1), bool), "only True and False"),
        ([1, 0], np.ones((1, 1), bool), r"shape \(2, k\)"),
        ([1, 0], np.ones((2, 1)), "expected bool"),
        ([1, 0], np.zeros((2, 1), bool), r"none for column\(s\) \[0\]"),
    ],
)
def test_refuses(right: list[float], members: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        factor_accuracies(right, members)


def test_what_is_undefined_is_an_error_and_never_0() -> None:
    with pytest.raises(ValueError, match="0 / 0"):
        error_ratios([1, 1], np.array([[True], [False]]))
    with pytest.raises(ValueError, match="without every factor"):
        complement_accuracies([1, 0], np.ones((2, 1), bool))


def test_metaclasses() -> None:
    groups = FACTORS.metaclass_of(["fish", "dog", "dog", "bird", "fungus"])
    assert groups == ("other", "dog", "dog", "bird", "other")
    assert metaclass_correct([0, 1, 3], [4, 2, 2], groups).tolist() == [True, True, False]
    for wrong in ([5], [-1], [0.0]):
        with pytest.raises(ValueError, match="predictions: expected class indices 0 to 4"):
            metaclass_correct(wrong, [0], groups)
    with pytest.raises(ValueError, match="expected shapes"):
        metaclass_correct([0, 1], [0], groups)


@pytest.mark.parametrize("prototypes", ["kept", "removed"])
@pytest.mark.parametrize("which", ["top", "multi"])
def test_equals_the_package(which: str, prototypes: str) -> None:
    """The authors' own functions over the real annotations and made-up predictions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its code and pandas' newer versions disagree on style
        package = pytest.importorskip("imagenet_x", reason="the package imagenet-x is not installed")
        aggregate = pytest.importorskip("imagenet_x.aggregate")
        rows = package.load_annotations(which, "val", filter_prototypes=prototypes == "removed")
    assert set(FACTORS.metaclasses) | {"other"} == set(package.METACLASSES)
    rng = np.random.default_rng(0)
    labels = rows["class"].to_numpy()
    close = rng.random(len(rows)) < 0.3  # wrong, but by one class: often of the same metaclass
    predictions = np.where(
        rng.random(len(rows)) < 0.7, labels, np.where(close, (labels + 1) % 1000, rng.integers(1000))
    )
    rows["model"], rows["is_correct"] = "made", predictions == labels
    members = rows[list(FACTORS.factors)].to_numpy().astype(bool)
    correct = rows["is_correct"].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = aggregate.compute_factor_accuracies(rows, list(FACTORS.factors)).loc["made"]
        worst = float(aggregate.worst_k_class_acc(rows, k=100)["made"])
    np.testing.assert_allclose(factor_accuracies(correct, members), table[list(FACTORS.factors)], atol=1e-12)
    index, accuracy = worst_factor(correct, members)
    assert accuracy == pytest.approx(table["worst_factor"], abs=1e-12)
    assert table.drop(["worst_factor", "average"]).idxmin() == FACTORS.factors[index]
    ratios = (1 - table[list(FACTORS.factors)]) / (1 - table["average"])
    np.testing.assert_allclose(error_ratios(correct, members), ratios, atol=1e-12)
    # Which of equally bad classes are taken is open in the package, and they differ a little in size.
    assert worst_class_accuracy(correct, labels, 100) == pytest.approx(worst, abs=2e-3)
    confidence = rng.random(len(rows))
    assert expected_calibration_error(confidence, correct) == pytest.approx(
        aggregate.estimated_calibration_error(correct, confidence), abs=1e-12
    )
    listed = package.utils.pd.read_csv(package.utils.get_annotation_path() / FACTORS.metaclass_list)["name"]
    ours = np.asarray(FACTORS.metaclass_of([str(name) for name in listed]))
    assert (ours[labels] == rows["metaclass"].to_numpy()).all() or prototypes == "removed"
    assert metaclass_correct(predictions, labels, ours).mean() > correct.mean()
