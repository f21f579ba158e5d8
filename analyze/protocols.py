"""Scoring protocols: which columns of a classifier count, how they become classes, and what is a right answer.

Pure functions over arrays, and the list of protocols that results name. Knows no store and no model. A manifest says
which of them a dataset is scored under.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import Matrix, logit_matrix, require_finite

Merge: TypeAlias = Literal["max", "logsumexp", "mean"]
"""How the logits of several columns become that of one class; see `restrict`."""

Rule: TypeAlias = Literal["label", "any-of", "anchor", "anchor-and-neighbours", "member"]
"""What a right answer is.

label: the decision is the label.
any-of: the decision is among the image's labels; an image without labels does not count.
anchor: as any-of, over anchor frames only.
anchor-and-neighbours: the decision is right on an anchor frame and on every neighbour of it.
member: the best of all columns belongs to the label's class; images of classes that no column has are wrong.
"""

Members: TypeAlias = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One way to turn logits into right and wrong answers; its id is what results show.

    Attributes
    ----------
    label_space
        Id of the classes; "" means the dataset's own.
    merge
        How columns become the class that is decided on. Probabilities always sum over the columns of a class
        (`logsumexp`): the largest logit of a group is no probability of the group.
    rule
        What a right answer is.
    own_columns
        The model has one column for each class of the space itself (a zero-shot head of its names), and not for the
        classes of the space under it.
    calibrated
        Whether losses and calibration are told besides accuracy.
    cues
        Whether its classes are those of cues: shape bias and error consistency are told of its decisions.
    """

    id: str
    label_space: str = ""
    merge: Merge = "max"
    rule: Rule = "label"
    own_columns: bool = False
    calibrated: bool = True
    cues: bool = False


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(id="1000-way", label_space="imagenet-1k"),
    Protocol(id="subset-200"),
    Protocol(id="imagenet-o-200", label_space="imagenet-o-200"),
    Protocol(id="objectnet-113", label_space="objectnet-113"),
    Protocol(id="objectnet-113-lse", label_space="objectnet-113", merge="logsumexp"),
    Protocol(id="objectnet-official-313", label_space="objectnet-113", rule="member", calibrated=False),
    Protocol(id="objectnet-113-names", label_space="objectnet-113", own_columns=True),
    Protocol(id="vid-pm0", label_space="vid-robust-30", rule="anchor"),
    Protocol(id="vid-pm10", label_space="vid-robust-30", rule="anchor-and-neighbours", calibrated=False),
    Protocol(id="cue-16", label_space="cue-16", merge="mean", calibrated=False, cues=True),
    Protocol(id="cue-16-sum", label_space="cue-16", merge="logsumexp", calibrated=False, cues=True),
    Protocol(id="cue-16-max", label_space="cue-16", merge="max", calibrated=False, cues=True),
    Protocol(id="real", label_space="imagenet-1k", rule="any-of"),
    Protocol(id="imagenet-d-113", label_space="imagenet-d-113"),
    Protocol(id="imagenet-d-113-names", label_space="imagenet-d-113", own_columns=True),
    Protocol(id="imagenet-d-official", label_space="imagenet-d-113", rule="member", calibrated=False),
    # The same ways over the label space of whatever set names them.
    Protocol(id="own-classes"),
    Protocol(id="own-classes-lse", merge="logsumexp"),
    Protocol(id="own-names", own_columns=True),
    Protocol(id="own-member", rule="member", calibrated=False),
    Protocol(id="own-any-of", rule="any-of"),
    Protocol(id="own-pm0", rule="anchor"),
    Protocol(id="own-pm10", rule="anchor-and-neighbours", calibrated=False),
    Protocol(id="own-cue", merge="mean", calibrated=False, cues=True),
    Protocol(id="own-cue-sum", merge="logsumexp", calibrated=False, cues=True),
    Protocol(id="own-cue-max", merge="max", calibrated=False, cues=True),
)
"""Every protocol that a manifest may name; those that name no label space are for sets of a user's own world, too."""

BY_ID: Mapping[str, Protocol] = {protocol.id: protocol for protocol in PROTOCOLS}


def restrict(logits: ArrayLike, members: Members, merge: Merge = "max") -> Matrix:
    """Logits of k classes, each of which is a group of columns; columns outside every group do not count.

    Parameters
    ----------
    logits : float (n, c)
    members : k groups of column indices
        At least one column each, no column in two.
    merge : str
        ``max``: the largest logit of the group. Argmax over classes is then argmax over the columns that count, as
        the ImageNet testbed decides. ``logsumexp``: log of the summed exponentials, so that the softmax over classes
        is the summed probability of each group. ``mean``: log of the mean exponential; argmax is that of the mean
        probability of each group (model-vs-human), whatever the softmax was taken over, and without its underflow.

    Returns
    -------
    float (n, k)
        In float64 where exponentials are summed, else in the type of the logits.

    Raises
    ------
    ValueError
        Wrong shapes, an empty group, a column outside the array or in two groups, NaN or infinity in a column that
        counts.

    Notes
    -----
    ObjectNet, ImageNet-Vid-Robust: Taori et al., Measuring Robustness to Natural Distribution Shifts, 2020. Cue
    conflict: Geirhos et al., ImageNet-trained CNNs are biased towards texture, ICLR 2019.

    Examples
    --------
    Four columns, two classes; the second class has columns 1 and 3.

    >>> restrict([[0.0, 2.0, 9.0, 1.0]], [[0], [1, 3]]).tolist()
    [[0.0, 2.0]]
    >>> np.exp(restrict(np.log([[1.0, 2.0, 9.0, 4.0]]), [[0], [1, 3]], "logsumexp")).round(12).tolist()
    [[1.0, 6.0]]
    >>> np.exp(restrict(np.log([[1.0, 2.0, 9.0, 4.0]]), [[0], [1, 3]], "mean")).round(12).tolist()
    [[1.0, 3.0]]
    """
    matrix = logit_matrix(logits)
    columns, starts = _groups(members, matrix.shape[1])
    picked = matrix[:, columns]
    require_finite(picked, "logits")
    if merge not in get_args(Merge):
        raise ValueError(f"merge: expected max, logsumexp or mean, got {merge!r}")
    if len(starts) == len(columns):
        return picked
    largest: NDArray[Any] = np.maximum.reduceat(picked, starts, axis=1)
    if merge == "max":
        return largest
    sizes = np.diff([*starts, len(columns)])
    top = largest.astype(np.float64)
    sums = np.add.reduceat(np.exp(picked - np.repeat(top, sizes, axis=1)), starts, axis=1)
    if merge == "mean":
        sums = sums / sizes
    result: NDArray[np.float64] = top + np.log(sums)
    return result


def _groups(members: Members, c: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    sizes = [len(group) for group in members]
    if not sizes or min(sizes) < 1:
        raise ValueError(f"members: expected groups of at least one column, got sizes {sizes[:5]}")
    columns = np.concatenate([np.asarray(group, np.intp) for group in members])
    if columns.min() < 0 or columns.max() >= c:
        raise ValueError(f"members: expected columns 0 to {c - 1}, got {columns.min()} to {columns.max()}")
    if len(np.unique(columns)) != len(columns):
        raise ValueError("members: expected every column in one group at most")
    return columns, np.cumsum([0, *sizes[:-1]])


def any_of(decisions: ArrayLike, targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each decision is among the right classes of its row.

    Parameters
    ----------
    decisions : int (n,)
    targets : bool (n, k)
        Which classes are right; a row without any is never right.

    Examples
    --------
    >>> any_of([0, 2], np.array([[True, True, False], [True, False, False]])).tolist()
    [True, False]
    """
    index = np.asarray(decisions)
    if targets.ndim != 2 or index.shape != targets.shape[:1]:
        raise ValueError(f"decisions: expected shape {targets.shape[:1]}, one a row of targets, got {index.shape}")
    return np.asarray(targets[np.arange(len(index)), index])


def member_correct(logits: ArrayLike, members: Members, targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the best of all columns belongs to a right class; a column that belongs to none is a wrong answer.

    This is the official ObjectNet challenge (the answer is one of 1000 classes, and 200 of ObjectNet's 313 cannot be
    named) and the upstream evaluation of ImageNet-D. Lower than `restrict` to the classes that can occur.

    Parameters
    ----------
    logits : float (n, c)
    members : k groups of column indices
    targets : bool (n, k)
        Which classes are right; a row without any is wrong.

    Examples
    --------
    >>> one = np.array([[True, False]])
    >>> member_correct([[5.0, 1.0, 0.0]], [[0, 1], [2]], one).tolist()
    [True]
    >>> member_correct([[2.0, 1.0, 9.0]], [[0], [1]], one).tolist()  # the best column stands for neither class
    [False]
    """
    matrix = logit_matrix(logits)
    require_finite(matrix, "logits")
    columns, starts = _groups(members, matrix.shape[1])
    owner = np.full(matrix.shape[1], -1, np.intp)
    owner[columns] = np.repeat(np.arange(len(starts)), np.diff([*starts, len(columns)]))
    answer = owner[matrix.argmax(axis=1)]
    return np.asarray((answer >= 0) & targets[np.arange(len(answer)), answer])


def set_losses(logits: ArrayLike, targets: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Negative log-likelihood and Brier score where any of several classes is right.

    The right classes S of a row count as one: nll = -log sum_{k in S} p_k in nats, brier = (1 - sum_{k in S} p_k)^2 +
    sum_{k not in S} p_k^2. With one right class these are the ordinary ones.

    Parameters
    ----------
    logits : float (n, k)
    targets : bool (n, k)
        At least one right class a row.

    Returns
    -------
    nll, brier : float64 (n,)
        In [0, inf) and [0, 2].

    Examples
    --------
    >>> nll, brier = set_losses(np.log([[1.0, 1.0, 2.0]]), np.array([[True, True, False]]))
    >>> round(float(np.exp(-nll[0])), 12), round(float(brier[0]), 12)  # (1 - 1/2)^2 + (1/2)^2
    (0.5, 0.5)
    """
    matrix = logit_matrix(logits).astype(np.float64)
    require_finite(matrix, "logits")
    if targets.shape != matrix.shape or not targets.any(axis=1).all():
        raise ValueError(f"targets: expected shape {matrix.shape} with a right class in every row, got {targets.shape}")
    scaled = matrix - matrix.max(axis=1, keepdims=True)
    exps = np.exp(scaled)
    total = exps.sum(axis=1)
    inside = np.where(targets, scaled, -np.inf)
    own_top = inside.max(axis=1)
    own = own_top + np.log(np.exp(inside - own_top[:, None]).sum(axis=1))
    others = np.where(targets, 0.0, exps)
    missed = others.sum(axis=1) / total
    return np.log(total) - own, missed**2 + (others**2).sum(axis=1) / total**2


def vid_pm(
    correct: NDArray[np.bool_], samples: Sequence[str], anchors: Sequence[str]
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """pm-0 and pm-10 of ImageNet-Vid-Robust: right on the anchor, right on the anchor and all its neighbours.

    Parameters
    ----------
    correct : bool (n,)
        Whether each frame's answer is right.
    samples, anchors : n strings
        Name of each frame, and of the anchor frame that it belongs to; an anchor belongs to itself.

    Returns
    -------
    rows : int (a,)
        Row of each anchor, ascending.
    pm0, pm10 : bool (a,)

    Raises
    ------
    ValueError
        When an anchor is not among the frames.

    Notes
    -----
    Shankar et al., Do Image Classifiers Generalize Across Time?, ICCV 2021.

    Examples
    --------
    >>> rows, pm0, pm10 = vid_pm(np.array([True, False, True]), ["a", "b", "c"], ["a", "a", "c"])
    >>> rows.tolist(), pm0.tolist(), pm10.tolist()
    ([0, 2], [True, True], [False, True])
    """
    if not len(correct) == len(samples) == len(anchors):
        raise ValueError(
            f"expected one sample and one anchor a frame, got {len(correct)}, {len(samples)} and {len(anchors)}"
        )
    row_of = {sample: row for row, sample in enumerate(samples)}
    lost = sorted({anchor for anchor in anchors if anchor not in row_of})
    if lost:
        raise ValueError(f"anchors: {len(lost)} are not among the frames, the first is {lost[0]!r}")
    group = np.array([row_of[anchor] for anchor in anchors], np.intp)
    stray = np.flatnonzero(group[group] != group)
    if len(stray):
        raise ValueError(f"anchors: {anchors[stray[0]]!r} is the anchor of others and has another anchor itself")
    whole = np.ones(len(correct), bool)
    np.logical_and.at(whole, group, correct)
    rows = np.unique(group)
    return rows, correct[rows], whole[rows]
