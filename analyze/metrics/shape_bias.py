"""Shape or texture: what a classifier goes by where an image has the shape of one class and the texture of another.

Knows arrays, and the 16 classes of the stimuli among ImageNet's 1000; no store and no model.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import logit_matrix
from analyze.protocols import Members, Merge, restrict
from manifests.catalogue import load

Decision = Literal["mean", "sum", "max"]
"""What of a category's probabilities decides: their mean (model-vs-human), their sum, or the largest."""

_MERGES: dict[str, Merge] = {"mean": "mean", "sum": "logsumexp", "max": "max"}


class ShapeBias(NamedTuple):
    """Shape bias, what it is a ratio of, and the share of conflict images that it is made on."""

    value: float
    n_shape: int
    n_texture: int
    coverage: float


class CueCounts(NamedTuple):
    """Decisions for the shape, for the texture, and images whose shape and texture differ."""

    n_shape: int
    n_texture: int
    n_conflict: int


def cue_counts(decisions: ArrayLike, shapes: ArrayLike, textures: ArrayLike) -> CueCounts:
    """Count decisions for the shape and for the texture, over the images where these differ.

    Parameters
    ----------
    decisions, shapes, textures : int (n,), or str (n,)
        Categories, all three as indices or all three as names. A decision may be none of the categories.

    Raises
    ------
    ValueError
        Wrong shapes, indices beside names, no image.

    Examples
    --------
    >>> cue_counts([0, 1, 2, 0], [0, 0, 0, 0], [1, 1, 1, 0])  # the last image has no conflict
    CueCounts(n_shape=1, n_texture=1, n_conflict=3)
    """
    answers, shape, texture = (np.asarray(values) for values in (decisions, shapes, textures))
    if answers.ndim != 1 or not answers.size or not answers.shape == shape.shape == texture.shape:
        raise ValueError(
            "decisions, shapes, textures: expected one shape (n,) with n >= 1, "
            f"got {answers.shape}, {shape.shape} and {texture.shape}"
        )
    sorts = {_sort(values) for values in (answers, shape, texture)}
    if len(sorts) > 1 or "" in sorts:
        kinds = ", ".join(str(values.dtype) for values in (answers, shape, texture))
        raise ValueError(f"decisions, shapes, textures: expected all integers or all strings, got {kinds}")
    conflict = shape != texture
    return CueCounts(
        int((conflict & (answers == shape)).sum()), int((conflict & (answers == texture)).sum()), int(conflict.sum())
    )


def shape_bias(decisions: ArrayLike, shapes: ArrayLike, textures: ArrayLike) -> ShapeBias:
    """Share of decisions for the shape among those for shape or texture: n_shape / (n_shape + n_texture).

    Images whose shape and texture are of one class do not count, nor do decisions for a third class; `coverage` =
    (n_shape + n_texture) / conflict images tells how many decisions are left. All images are pooled: the value is not
    the mean of the 16 categories' ratios.

    Parameters
    ----------
    decisions, shapes, textures
        As in `cue_counts`.

    Returns
    -------
    ShapeBias
        (value, n_shape, n_texture, coverage); value and coverage in [0, 1].

    Raises
    ------
    ValueError
        As `cue_counts`; no conflict image, or no decision for shape or texture, where 0 / 0 says nothing.

    Notes
    -----
    Geirhos et al., ImageNet-trained CNNs are biased towards texture, ICLR 2019, section 3.

    Examples
    --------
    >>> shape_bias(["cat", "cat", "car", "dog"], ["cat", "cat", "cat", "cat"], ["car", "dog", "car", "car"])
    ShapeBias(value=0.6666666666666666, n_shape=2, n_texture=1, coverage=0.75)
    """
    return shape_bias_of(cue_counts(decisions, shapes, textures))


def shape_bias_of(counts: CueCounts) -> ShapeBias:
    """Shape bias from counts; parameters, result and errors as in `shape_bias`."""
    cues = counts.n_shape + counts.n_texture
    if not counts.n_conflict:
        raise ValueError("shapes, textures: expected images whose shape and texture differ, got none")
    if not cues:
        raise ValueError(f"decisions: none of {counts.n_conflict} is for the shape or the texture, so no bias (0 / 0)")
    return ShapeBias(counts.n_shape / cues, counts.n_shape, counts.n_texture, cues / counts.n_conflict)


def pooled_shape_bias(decisions: ArrayLike, shapes: ArrayLike, textures: ArrayLike) -> ShapeBias:
    """Shape bias of several deciders taken together: their decisions are pooled, not their ratios averaged.

    Parameters
    ----------
    decisions : int or str (s, n)
        Of each of s deciders (the ten human observers, say) on the same n images.
    shapes, textures : int or str (n,)

    Returns
    -------
    ShapeBias
        Coverage is over s times the conflict images.

    Raises
    ------
    ValueError
        As `shape_bias`.

    Notes
    -----
    Human responses of model-vs-human pooled: 9236 / (9236 + 398) = 0.9587; the mean of the ten ratios is another
    number.

    Examples
    --------
    One decides for the shape twice, the other once for the texture and once for neither.

    >>> pooled_shape_bias([[0, 0], [1, 2]], [0, 0], [1, 1])
    ShapeBias(value=0.6666666666666666, n_shape=2, n_texture=1, coverage=0.75)
    """
    answers = np.asarray(decisions)
    shape, texture = np.asarray(shapes), np.asarray(textures)
    if answers.ndim != 2 or answers.shape[1:] != shape.shape:
        raise ValueError(f"decisions: expected shape (s, {len(shape)}), one row a decider, got {answers.shape}")
    return shape_bias(answers.reshape(-1), np.tile(shape, len(answers)), np.tile(texture, len(answers)))


def category_counts(
    decisions: ArrayLike, shapes: ArrayLike, textures: ArrayLike, categories: int = 16
) -> dict[int, CueCounts]:
    """Counts among the images of each shape category; their ratios are the dots of model-vs-human's figure.

    Parameters
    ----------
    decisions, shapes, textures : int (n,)
    categories : int
        How many categories there are.

    Returns
    -------
    dict
        Category -> counts, for the categories that have a conflict image.

    Raises
    ------
    ValueError
        As `cue_counts`.

    Examples
    --------
    >>> category_counts([0, 1, 1], [0, 0, 1], [1, 1, 0], categories=3)[0]
    CueCounts(n_shape=1, n_texture=1, n_conflict=2)
    """
    answers, shape, texture = (np.asarray(values) for values in (decisions, shapes, textures))
    cue_counts(answers, shape, texture)
    found = {}
    for category in range(categories):
        of = shape == category
        if (of & (texture != category)).any():
            found[category] = cue_counts(answers[of], shape[of], texture[of])
    return found


def decide_16(logits: ArrayLike, merge: Decision = "mean") -> NDArray[np.int64]:
    """Decide between the 16 categories of cue-conflict images, from logits over ImageNet's 1000 classes.

    The softmax is over all 1000 classes, in float64; a category's score is the mean (sum, largest) of the
    probabilities of its 1 to 109 classes. Exponentials are taken against the largest logit of each category, so that
    nothing underflows to ties. Between equal scores the first category in sorted order wins; model-vs-human's code
    takes the last.

    The mean depends on the scale of the logits: give zero-shot logits with the model's own scale (100, mostly).

    Parameters
    ----------
    logits : float (n, 1000)
        Columns in ImageNet order.
    merge : str
        ``mean`` as in model-vs-human, ``sum``, or ``max``.

    Returns
    -------
    int64 (n,)
        Index among airplane, bear, bicycle, bird, boat, bottle, car, cat, chair, clock, dog, elephant, keyboard,
        knife, oven, truck.

    Raises
    ------
    ValueError
        Another shape, an unknown merge, NaN or infinity.

    Notes
    -----
    Geirhos et al., Partial success in closing the gap between human and machine vision, NeurIPS 2021, and its code
    model-vs-human, `probabilities_to_decision`.

    Examples
    --------
    Two keyboards (508, 878) at 5.0 and one knife (499) at 5.5: the knife has the larger mean, the keyboards the sum.

    >>> logits = np.zeros((1, 1000))
    >>> logits[0, [508, 878, 499]] = 5.0, 5.0, 5.5
    >>> decide_16(logits).tolist(), decide_16(logits, "sum").tolist()
    ([13], [12])
    """
    if merge not in get_args(Decision):
        raise ValueError(f"merge: expected mean, sum or max, got {merge!r}")
    matrix = logit_matrix(logits)
    if matrix.shape[1] != 1000:
        raise ValueError(f"logits: expected shape (n, 1000), columns in ImageNet order, got {matrix.shape}")
    return np.asarray(restrict(matrix.astype(np.float64), _members(), _MERGES[merge]).argmax(axis=1), np.int64)


@cache
def _members() -> Members:
    return load().labels["cue-16"].members


def _sort(values: NDArray[Any]) -> str:
    return {"i": "index", "u": "index", "U": "name", "T": "name"}.get(values.dtype.kind, "")
