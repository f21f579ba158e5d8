from __future__ import annotations

import numpy as np
import pytest

from analyze.label_check import LabelCheck, check_labels, label_note
from manifests.catalogue import load

RNG = np.random.default_rng


def answers(truth: np.ndarray, classes: int, accuracy: float, seed: int = 0) -> np.ndarray:
    """Answers of a classifier that is right on a share of the images and guesses on the others."""
    rng = RNG(seed)
    guess = rng.integers(0, classes, len(truth))
    return np.where(rng.random(len(truth)) < accuracy, truth, guess)


@pytest.mark.parametrize(
    ("classes", "images", "accuracy"),
    [(1000, 10, 0.7), (1000, 1, 0.7), (1000, 10, 0.0), (200, 30, 0.3), (113, 160, 0.05), (16, 5, 0.5), (2, 4, 0.5)],
)
def test_sound_labels_pass_whatever_the_accuracy(classes: int, images: int, accuracy: float) -> None:
    truth = np.repeat(np.arange(classes), images)
    assert check_labels(answers(truth, classes, accuracy), truth, classes).sign == ""


def test_folders_sorted_as_text_are_told_with_the_accuracy_they_should_have() -> None:
    """ImageNet-V2's folders are 0 to 999; sorted as text the second is 1 and the third 10."""
    truth = np.repeat(np.arange(1000), 10)
    text = sorted(range(1000), key=str)
    as_read = np.argsort(text)[truth]  # torchvision's ImageFolder: the place of the folder among sorted names
    found = check_labels(answers(truth, 1000, 0.6), as_read, 1000)
    assert found.sign == "text-order"
    assert found.accuracy < 0.02
    assert found.permuted_accuracy == pytest.approx(0.6, abs=0.02)
    label, other, took, n = found.moves[0]
    assert text[label] == other
    assert (took, n) == (max(move[2] for move in found.moves), 10)


def test_one_image_a_class_is_enough_for_a_common_mistake() -> None:
    truth = np.arange(1000)
    found = check_labels(answers(truth, 1000, 0.6), (truth + 1) % 1000, 1000)
    assert found.sign == "shifted"


@pytest.mark.parametrize(("classes", "images"), [(1000, 10), (113, 40), (16, 80)])
def test_any_other_order_is_told_from_half_of_the_images(classes: int, images: int) -> None:
    truth = np.repeat(np.arange(classes), images)
    order = RNG(3).permutation(classes)
    found = check_labels(answers(truth, classes, 0.6), order[truth], classes)
    assert found.sign == "permuted"
    assert found.n == len(truth) // 2
    assert found.permuted_accuracy == pytest.approx(0.6, abs=0.06)
    assert all(order[other] == label for label, other, _, _ in found.moves)


def test_fitting_and_trying_on_the_same_images_would_have_raised_a_false_alarm() -> None:
    truth = np.repeat(np.arange(1000), 2)
    said = answers(truth, 1000, 0.0)
    counts = np.zeros((1000, 1000))
    np.add.at(counts, (truth, said), 1)
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(counts, maximize=True)
    assert counts[rows, columns].sum() / 2000 > 0.4
    assert check_labels(said, truth, 1000).sign == ""


def test_a_pair_of_confused_classes_is_not_an_order() -> None:
    truth = np.repeat(np.arange(100), 20)
    said = truth.copy()
    said[truth == 3], said[truth == 4] = 4, 3
    assert check_labels(said, truth, 100).sign == ""


def test_answers_below_chance_are_told_with_what_else_looks_like_that() -> None:
    truth = np.repeat(np.arange(200), 37)
    said = (truth + RNG(0).integers(1, 200, len(truth))) % 200
    found = check_labels(said, truth, 200)
    assert (found.sign, found.accuracy) == ("below-chance", 0.0)
    note = label_note("resnet50.tv_in1k", "imagenet-a", "subset-200", found, load().labels["imagenet-a-200"].names)
    assert "below the 0.0050 of guessing" in note
    assert "chosen against this model" in note


def test_few_images_prove_nothing() -> None:
    assert check_labels([1, 0], [0, 1], 2).sign == ""
    assert check_labels([3], [0], 1000).sign == ""


def test_the_note_carries_the_evidence_and_the_remedy() -> None:
    found = LabelCheck("permuted", 0.01, 0.62, 5000, ((1, 10, 9, 10),))
    note = label_note("m", "imagenet-v2-threshold", "1000-way", found, load().labels["imagenet-1k"].names)
    assert "9 of 10 images labelled 'goldfish' are taken for 'brambling'" in note
    assert "Accuracy is 0.010" in note
    assert "0.620 (5,000 images)" in note
    assert label_note("m", "d", "p", LabelCheck("", 0.5, 0.5, 4), ("a", "b")) == ""


@pytest.mark.parametrize(
    ("said", "labels", "message"),
    [
        ([], [], "non-empty"),
        ([0, 1], [0], "one prediction a label"),
        ([0, 3], [0, 1], "classes 0 to 2, got 0 to 3"),
        ([0.0], [0], "class indices"),
        ([0], [-1], "got -1 to -1"),
    ],
)
def test_what_are_no_class_indices_is_refused(said: list[float], labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_labels(said, labels, 3)
