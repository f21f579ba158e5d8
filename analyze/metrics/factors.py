"""Accuracy where an annotated factor holds: per factor, against the whole set, and at its worst.

Knows arrays only: which images have which factor is a Boolean matrix, whatever the factors are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Flags = NDArray[np.bool_]


def outcomes(correct: ArrayLike) -> Flags:
    """Right and wrong answers as bool (n,), n at least 1; 0 and 1 will do.

    Raises
    ------
    ValueError
        No answers, another shape, other values.
    """
    hits = np.asarray(correct)
    if hits.ndim != 1 or hits.size == 0:
        raise ValueError(f"correct: expected shape (n,) with at least one answer, got {hits.shape}")
    if hits.dtype.kind not in "biuf" or not np.isin(hits, (0, 1)).all():
        raise ValueError(
            f"correct: expected only True and False (or 1 and 0), got dtype {hits.dtype} with other values"
        )
    return hits.astype(np.bool_)


def outcomes_and_members(correct: ArrayLike, members: ArrayLike) -> tuple[Flags, Flags]:
    """Answers (n,), and which of k factors each image has, (n, k).

    Raises
    ------
    ValueError
        Wrong shapes or types, a factor that no image has.
    """
    hits, flags = outcomes(correct), np.asarray(members)
    if flags.dtype != np.bool_ or flags.ndim != 2 or len(flags) != len(hits) or flags.shape[1] == 0:
        raise ValueError(
            f"members: expected bool of shape ({len(hits)}, k), one row an answer, got {flags.dtype} {flags.shape}"
        )
    empty = np.flatnonzero(~flags.any(axis=0))
    if len(empty):
        raise ValueError(f"members: expected an image for every factor, got none for column(s) {empty[:5].tolist()}")
    return hits, flags


def factor_accuracies(correct: ArrayLike, members: ArrayLike) -> NDArray[np.float64]:
    """Accuracy over the images that have each factor: acc_f = right answers with f / images with f.

    Parameters
    ----------
    correct : bool (n,)
    members : bool (n, k)
        Whether image i has factor f; an image may have several, or none.

    Returns
    -------
    float64 (k,) in [0, 1].

    Raises
    ------
    ValueError
        Wrong shapes or types, a factor without images.

    Notes
    -----
    Idrissi et al., ImageNet-X, ICLR 2023, section 4; package imagenet-x, `compute_factor_accuracies`.

    Examples
    --------
    Of two images with the first factor one is right; the one with the second is right.

    >>> factor_accuracies([1, 0, 1], np.array([[True, False], [True, False], [False, True]])).tolist()
    [0.5, 1.0]
    """
    hits, flags = outcomes_and_members(correct, members)
    return np.asarray((flags & hits[:, None]).sum(axis=0) / flags.sum(axis=0))


def complement_accuracies(correct: ArrayLike, members: ArrayLike) -> NDArray[np.float64]:
    """Accuracy over the images that do not have each factor, for axes that must not share images with `acc_f`.

    A factor that a third of all images has (pose) is a third of the overall accuracy: part of their correlation is
    arithmetic. Parameters and errors as in `factor_accuracies`; a factor that every image has is an error, too.

    Returns
    -------
    float64 (k,) in [0, 1].

    Examples
    --------
    >>> complement_accuracies([1, 0, 1], np.array([[True, False], [True, False], [False, True]])).tolist()
    [1.0, 0.5]
    """
    hits, flags = outcomes_and_members(correct, members)
    every = np.flatnonzero(flags.all(axis=0))
    if len(every):
        raise ValueError(f"members: expected an image without every factor; all have column(s) {every[:5].tolist()}")
    return factor_accuracies(hits, ~flags)


def error_ratios(correct: ArrayLike, members: ArrayLike) -> NDArray[np.float64]:
    """How much likelier an error is where a factor holds: (1 - acc_f) / (1 - acc), acc over all images.

    Above 1 the factor makes mistakes likelier. Parameters as in `factor_accuracies`; an image without factors counts
    in the overall accuracy.

    Returns
    -------
    float64 (k,) in [0, n / n_f].

    Raises
    ------
    ValueError
        As `factor_accuracies`; no error at all, where 0 / 0 says nothing.

    Notes
    -----
    Idrissi et al., ImageNet-X, ICLR 2023, section 4; package imagenet-x, `error_ratio`.

    Examples
    --------
    Half of all answers are wrong, and all of those with the factor.

    >>> error_ratios([1, 0, 0, 1], np.array([[False], [True], [True], [False]])).tolist()
    [2.0]
    """
    hits, flags = outcomes_and_members(correct, members)
    if hits.all():
        raise ValueError("correct: every answer is right, so no factor makes errors likelier than another (0 / 0)")
    return np.asarray((1.0 - factor_accuracies(hits, flags)) / (1.0 - hits.mean()))


def worst_factor(correct: ArrayLike, members: ArrayLike) -> tuple[int, float]:
    """Index and accuracy of the factor with the lowest accuracy, ties going to the lowest index.

    Parameters and errors as in `factor_accuracies`.

    Examples
    --------
    >>> worst_factor([1, 0, 1], np.array([[True, False], [True, False], [False, True]]))
    (0, 0.5)
    """
    accuracies = factor_accuracies(correct, members)
    worst = int(accuracies.argmin())
    return worst, float(accuracies[worst])


def worst_class_accuracy(correct: ArrayLike, labels: ArrayLike, k: int = 100) -> float:
    """Accuracy over the images of the k classes that have the lowest accuracy, ties going to the lowest class.

    Images are pooled: a class with more of them weighs more. The classes are chosen on the answers that are then
    measured, so the value is lower than the accuracy that new images of these classes would have.

    Parameters
    ----------
    correct : bool (n,)
    labels : int (n,)
        Class of each image.
    k : int
        At least 1, at most the number of classes that occur.

    Returns
    -------
    float in [0, 1].

    Raises
    ------
    ValueError
        Wrong shapes or types, k out of range.

    Notes
    -----
    Package imagenet-x, `worst_k_class_acc` (its tables take k = 100, its default is 50; ties there depend on the order
    of an unstable sort).

    Examples
    --------
    >>> worst_class_accuracy([1, 0, 1, 0, 0], [7, 7, 3, 5, 5], k=2)  # class 5: 0 of 2, class 7: 1 of 2
    0.25
    """
    right, size = worst_class_counts(correct, labels, k)
    return right / size


def worst_class_counts(correct: ArrayLike, labels: ArrayLike, k: int = 100) -> tuple[int, int]:
    """Right answers and images of the k worst classes; parameters and errors as in `worst_class_accuracy`."""
    hits = outcomes(correct)
    truth = np.asarray(labels)
    if truth.shape != hits.shape or truth.dtype.kind not in "iu":
        raise ValueError(
            f"labels: expected integers of shape {hits.shape}, one an answer, got {truth.dtype} {truth.shape}"
        )
    _, at = np.unique(truth, return_inverse=True)
    size, right = np.bincount(at), np.bincount(at, weights=hits)
    if not 1 <= k <= len(size):
        raise ValueError(f"k: expected 1 to {len(size)}, the number of classes that occur, got {k}")
    worst = np.argsort(right / size, kind="stable")[:k]
    return int(right[worst].sum()), int(size[worst].sum())


def metaclass_correct(predictions: ArrayLike, labels: ArrayLike, metaclass: ArrayLike) -> Flags:
    """Whether the predicted class lies in the metaclass (dog, vehicle, ...) of the right class.

    Parameters
    ----------
    predictions, labels : int (n,)
        Class indices in [0, c).
    metaclass : int or str (c,)
        Metaclass of each class. In ImageNet-X everything outside 16 named metaclasses is one more, "other".

    Returns
    -------
    bool (n,)

    Raises
    ------
    ValueError
        Wrong shapes or types, classes outside [0, c).

    Notes
    -----
    Idrissi et al., ImageNet-X, ICLR 2023, appendix; package imagenet-x, `is_metaclass_correct`.

    Examples
    --------
    A terrier taken for a poodle is still a dog.

    >>> metaclass_correct([0, 2], [1, 1], ["dog", "dog", "bird"]).tolist()
    [True, False]
    """
    group = np.asarray(metaclass)
    answers, truth = np.asarray(predictions), np.asarray(labels)
    if answers.ndim != 1 or answers.shape != truth.shape or group.ndim != 1:
        raise ValueError(
            "predictions, labels, metaclass: expected shapes (n,), (n,) and (c,), "
            f"got {answers.shape}, {truth.shape} and {group.shape}"
        )
    for name, values in (("predictions", answers), ("labels", truth)):
        if values.dtype.kind not in "iu" or (values < 0).any() or (values >= len(group)).any():
            raise ValueError(f"{name}: expected class indices 0 to {len(group) - 1}")
    return np.asarray(group[answers] == group[truth])
