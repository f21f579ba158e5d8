"""A gate after scoring: do the labels stand in the order that the predictions speak of?

A dataset that was read in another class order scores like chance while nothing fails. Two signs tell it: accuracy
below chance, or a permutation of the labels that raises it far. Arrays in, a finding out; knows no dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from .intervals import clopper_pearson

FAR = 0.1
"""A permutation has to raise accuracy by this much; one pair of confused classes does not."""

LEVEL = 0.999
"""Confidence of both tests: the gate runs on every cell, and one false alarm in a thousand is one too many."""

Sign = Literal["", "below-chance", "text-order", "shifted", "permuted"]


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """What the gate found.

    Attributes
    ----------
    sign
        Empty when nothing is wrong; text-order: labels are those of folders 0, 1, 10, 100, ... sorted as text;
        shifted: all labels are off by the same number; permuted: some other order.
    accuracy, permuted_accuracy
        As read, and under the order that would explain the predictions; of the images that the test used.
    n
        How many those are.
    moves
        The largest evidence: (label as read, class that its images are taken for, images taken so, images).
    """

    sign: Sign
    accuracy: float
    permuted_accuracy: float
    n: int
    moves: tuple[tuple[int, int, int, int], ...] = ()


def check_labels(predictions: ArrayLike, labels: ArrayLike, classes: int) -> LabelCheck:
    """Look for a label-order error.

    Orders that are common mistakes are tried on all images. The permutation that explains half of the images best (an
    assignment problem) is tried on the other half: fitted and tried on the same images, a thousand classes with a few
    images each would always look better permuted. A permutation counts where it raises accuracy by
    `FAR`, and among the images on which the two orders differ in being right, significantly more than half are right
    under the new one (sign test).

    Parameters
    ----------
    predictions, labels : int (n,)
        Class indices in [0, classes).
    classes : int

    Raises
    ------
    ValueError
        Wrong shapes, or an index outside the classes.

    Examples
    --------
    >>> truth = np.repeat(np.arange(4), 50)
    >>> check_labels(truth, truth, 4).sign
    ''
    >>> found = check_labels(truth, (truth + 1) % 4, 4)
    >>> found.sign, found.accuracy, found.permuted_accuracy
    ('shifted', 0.0, 1.0)
    """
    said, true = _indices(predictions, "predictions", classes), _indices(labels, "labels", classes)
    if said.shape != true.shape:
        raise ValueError(f"expected one prediction a label, got {len(said)} and {len(true)}")
    right = said == true
    fit, held = _halves(true)
    order = _best_order(said[fit], true[fit], classes)
    moved = said[held] == order[true[held]]
    permuted = _explains(moved, right[held])
    for sign, known in _known_orders(said, true, classes):
        renamed = said == known[true]
        # A common mistake explains all that any order can, not some classes by accident.
        if _explains(renamed, right) and not (permuted and moved.mean() > renamed.mean() + FAR / 2):
            return LabelCheck(sign, _mean(right), _mean(renamed), len(true), _moves(said, true, known))
    if permuted:
        return LabelCheck("permuted", _mean(right[held]), _mean(moved), len(held), _moves(said, true, order))
    below = clopper_pearson(int(right.sum()), len(right), LEVEL)[1] < 1 / classes
    return LabelCheck("below-chance" if below else "", _mean(right), _mean(right), len(true))


def _indices(values: ArrayLike, name: str, classes: int) -> NDArray[np.intp]:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected a non-empty vector of class indices, got {array.dtype} {array.shape}")
    if array.min() < 0 or array.max() >= classes:
        raise ValueError(f"{name}: expected classes 0 to {classes - 1}, got {array.min()} to {array.max()}")
    return array.astype(np.intp)


def _known_orders(
    said: NDArray[np.intp], true: NDArray[np.intp], classes: int
) -> list[tuple[Literal["text-order", "shifted"], NDArray[np.intp]]]:
    """Orders as `order[label as read]` = class that it should be."""
    every = np.arange(classes)
    text = np.array(sorted(range(classes), key=str), np.intp)
    shift = int(np.bincount((said - true) % classes, minlength=classes).argmax())
    # Either direction: the labels or the columns may have been sorted as text.
    return [("text-order", text), ("text-order", np.argsort(text)), ("shifted", (every + shift) % classes)]


def _halves(true: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of every other image of each class, and the rest."""
    order = np.argsort(true, kind="stable")
    rank = np.arange(len(true)) - np.searchsorted(true[order], true[order])
    return np.sort(order[rank % 2 == 0]), np.sort(order[rank % 2 == 1])


def _best_order(said: NDArray[np.intp], true: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    counts = np.bincount(true * classes + said, minlength=classes * classes).reshape(classes, classes)
    # Where both explain equally many images, a class stays what it is.
    result: NDArray[np.intp] = linear_sum_assignment(2 * counts + np.eye(classes, dtype=counts.dtype), maximize=True)[1]
    return result


def _explains(moved: NDArray[np.bool_], right: NDArray[np.bool_]) -> bool:
    if not len(right) or moved.mean() - right.mean() < FAR:
        return False
    better, worse = int((moved & ~right).sum()), int((right & ~moved).sum())
    return clopper_pearson(better, better + worse, LEVEL)[0] > 0.5


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean())


def _moves(
    said: NDArray[np.intp], true: NDArray[np.intp], order: NDArray[np.intp]
) -> tuple[tuple[int, int, int, int], ...]:
    found = []
    for label in np.unique(true[order[true] != true]):
        mine = said[true == label]
        found.append((int(label), int(order[label]), int((mine == order[label]).sum()), len(mine)))
    return tuple(sorted(found, key=lambda move: (-move[2], move[0]))[:3])


def label_note(model: str, dataset: str, protocol: str, found: LabelCheck, names: Sequence[str]) -> str:
    """Say what was found, with its evidence; "" where nothing is wrong.

    Examples
    --------
    >>> label_note("m", "d", "2-way", LabelCheck("shifted", 0.0, 0.9, 10, ((0, 1, 5, 5),)), ("cat", "dog"))[:93]
    'm on d (2-way): probable label-order error. Accuracy is 0.000; with every label moved by the '
    """
    if not found.sign:
        return ""
    where = f"{model} on {dataset} ({protocol})"
    if found.sign == "below-chance":
        return (
            f"{where}: possible label-order error. Accuracy is {found.accuracy:.4f} over {found.n:,} images, below the "
            f"{1 / len(names):.4f} of guessing. A set that was chosen against this model (ImageNet-A against "
            "torchvision's ResNet-50) looks the same; any other was probably read in another class order."
        )
    how = {
        "text-order": "in the order of folders sorted as text (0, 1, 10, 100, ...)",
        "shifted": "with every label moved by the same number",
        "permuted": "under the one-to-one order that explains half of the images, on the other half",
    }[found.sign]
    moves = "; ".join(f"{took} of {n} images labelled {names[label]!r} are taken for {names[other]!r}"
                      for label, other, took, n in found.moves)  # fmt: skip
    return (
        f"{where}: probable label-order error. Accuracy is {found.accuracy:.3f}; {how} it is "
        f"{found.permuted_accuracy:.3f} ({found.n:,} images). {moves}. Compare the label space and the layout that "
        "the dataset was indexed with, and the class list of the model."
    )
