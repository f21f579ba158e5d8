"""Questions with four options: which wrong classes are offered, who wins among them, and how orders of options count.

Arrays in, arrays out. The options of an image are the right class and the wrong ones that a selection model finds most
likely; a model is then asked for the best of the four.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import label_vector, logit_matrix, require_finite


def option_lists(logits: ArrayLike, labels: ArrayLike, wrong: int = 3) -> NDArray[np.int64]:
    """Return the classes offered for each image: the right one, then the most likely wrong ones.

    Parameters
    ----------
    logits : float (n, c)
        Of the selection model.
    labels : int (n,)
    wrong : int
        How many wrong classes; fewer than c.

    Returns
    -------
    int64 (n, 1 + wrong)
        Equal logits go to the lower class.

    Raises
    ------
    ValueError
        Wrong shapes, labels out of range, NaN or infinity, too few classes.

    Notes
    -----
    The journal's section IX, over the 113 classes of ImageNet-D.

    Examples
    --------
    >>> option_lists([[0.0, 3.0, 1.0, 2.0]], [1], wrong=2).tolist()
    [[1, 3, 2]]
    """
    matrix = logit_matrix(logits)
    truth = label_vector(labels, *matrix.shape)
    require_finite(matrix, "logits")
    if not 1 <= wrong < matrix.shape[1]:
        raise ValueError(f"wrong: expected 1 to {matrix.shape[1] - 1} for {matrix.shape[1]} classes, got {wrong}")
    others = matrix.astype(np.float64)
    others[np.arange(len(truth)), truth] = -np.inf
    ranked = np.argsort(-others, axis=1, kind="stable")[:, :wrong]
    return np.concatenate([truth[:, None], ranked], axis=1).astype(np.int64)


def listed_correct(logits: ArrayLike, lists: ArrayLike) -> NDArray[np.bool_]:
    """Whether the right class, the first of each list, has the largest logit of its list.

    The order in which options are shown cannot matter to a model that scores each of them: equal logits go to the
    lower class, not to the earlier option. With lists of the model's own (see `option_lists`) this is its accuracy
    over all classes; with other lists it is at least that.

    Parameters
    ----------
    logits : float (n, c)
    lists : int (n, k)
        Different classes, the right one first.

    Returns
    -------
    bool (n,)

    Raises
    ------
    ValueError
        Wrong shapes, classes out of range or twice in a list, NaN or infinity.

    Examples
    --------
    >>> listed_correct([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]], [[1, 2], [1, 0]]).tolist()
    [True, False]
    """
    matrix, offered = logit_matrix(logits), np.asarray(lists)
    require_finite(matrix, "logits")
    if offered.ndim != 2 or len(offered) != len(matrix) or offered.dtype.kind not in "iu":
        raise ValueError(f"lists: expected shape ({len(matrix)}, k) of class indices, got {offered.shape}")
    if offered.min() < 0 or offered.max() >= matrix.shape[1]:
        raise ValueError(f"lists: expected classes 0 to {matrix.shape[1] - 1}, got {offered.min()} to {offered.max()}")
    ordered = np.sort(offered, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise ValueError("lists: a class is offered twice for one image")
    best = np.take_along_axis(matrix, ordered, axis=1).argmax(axis=1)
    return np.asarray(ordered[np.arange(len(ordered)), best] == offered[:, 0])


def rotated(options: ArrayLike, rotation: int) -> NDArray[np.int64]:
    """Return options as shown in one of the four orders: the right class, first in the list, moves to place `rotation`.

    Examples
    --------
    >>> [rotated([7, 1, 2, 3], turn).tolist() for turn in (0, 1, 3)]
    [[7, 1, 2, 3], [3, 7, 1, 2], [1, 2, 3, 7]]
    """
    return np.roll(np.asarray(options, np.int64), rotation, axis=-1)


@dataclass(frozen=True, slots=True)
class Readings:
    """What a model's answers to every order of the options amount to; rates in [0, 1].

    Attributes
    ----------
    paper
        Right with the right class shown first.
    shuffled
        Right over all orders: what a random order gives on average.
    circular
        Right in every order.
    unparsed
        Share of answers that no option could be read from; they count as wrong.
    letters
        Share of each place among the answers that could be read: a preference for places where it is not even.
    n
        Images.
    """

    paper: float
    shuffled: float
    circular: float
    unparsed: float
    letters: tuple[float, ...]
    n: int


def read_choices(choices: ArrayLike) -> Readings:
    """Sum up the places that a model chose.

    Parameters
    ----------
    choices : int (n, r)
        For image i shown in order r (the right class at place r), the place chosen, -1 where none could be read.

    Raises
    ------
    ValueError
        Wrong shape, or places outside -1 .. r - 1.

    Examples
    --------
    A model that always takes the first option:

    >>> found = read_choices([[0, 0, 0, 0]])
    >>> found.paper, found.shuffled, found.circular, found.letters
    (1.0, 0.25, 0.0, (1.0, 0.0, 0.0, 0.0))
    """
    chosen = np.asarray(choices)
    if chosen.ndim != 2 or chosen.size == 0 or chosen.dtype.kind not in "iu":
        raise ValueError(f"choices: expected whole numbers of shape (n, orders), got {chosen.dtype} {chosen.shape}")
    orders = chosen.shape[1]
    if chosen.min() < -1 or chosen.max() >= orders:
        raise ValueError(f"choices: expected places -1 to {orders - 1}, got {chosen.min()} to {chosen.max()}")
    right = chosen == np.arange(orders)
    read = chosen[chosen >= 0]
    return Readings(
        paper=float(right[:, 0].mean()),
        shuffled=float(right.mean()),
        circular=float(right.all(axis=1).mean()),
        unparsed=float((chosen < 0).mean()),
        letters=tuple((np.bincount(read, minlength=orders) / max(len(read), 1)).tolist()),
        n=len(chosen),
    )
