"""Keypoint transfer on SPair-71k: PCK under the rule of the dataset's authors and under that of probe3d.

Arrays in, arrays out. The two rules differ in where in a cell the answer lies, in rounding and in how pairs are pooled.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rule: TypeAlias = Literal["hpf", "probe3d"]
"""hpf: the answer is the centre of the best cell; right if its error is at most alpha times the longer box side.
probe3d: the answer is the upper left corner of the cell (half a cell off), keypoints are cut to whole pixels before and
after the image is scaled, and the error has to be strictly smaller."""

PROBE3D_SIDE = 800
"""Pixels that probe3d scales the padded square to."""


def spair_correct(
    cells: ArrayLike,
    grid: tuple[int, int],
    targets: ArrayLike,
    box: ArrayLike,
    image_size: tuple[int, int],
    alpha: float = 0.1,
    rule: Rule = "hpf",
) -> NDArray[np.bool_]:
    """Whether each predicted cell is near enough to its keypoint.

    The image is padded at the right and below to a square of side s = max(w, h), which the grid divides. All lengths
    are in pixels of the original image.

    Parameters
    ----------
    cells : int (k, 2)
        Column and row of the best cell of the target image for each keypoint.
    grid : (columns, rows)
        Of the padded square.
    targets : float (k, 2)
        Where the keypoints are, (x, y).
    box : float (4,)
        Left, upper, right, lower side of the object's box in the target image.
    image_size : (w, h)
        Of the target image, before padding.
    alpha : float
        Allowed error as a share of the longer side of the box.
    rule : str
        See `Rule`.

    Returns
    -------
    bool (k,)

    Raises
    ------
    ValueError
        No keypoints, wrong shapes, cells outside the grid, an empty box.

    Notes
    -----
    hpf: Min et al., Hyperpixel Flow, ICCV 2019, and SPair-71k, 2019. probe3d: El Banani et al., CVPR 2024.

    Examples
    --------
    A square of 80 pixels in 8 x 8 cells, a box of 50: allowed are 5 pixels. Cell 3 spans 30 to 40.

    >>> near = dict(grid=(8, 8), box=[0, 0, 50, 50], image_size=(80, 80))
    >>> spair_correct([[3, 0]], targets=[[39.0, 5.0]], rule="hpf", **near).tolist()  # 4 from the centre
    [True]
    >>> spair_correct([[3, 0]], targets=[[39.0, 5.0]], rule="probe3d", **near).tolist()  # more than 9 from the corner
    [False]
    """
    if rule not in get_args(Rule):
        raise ValueError(f"rule: expected hpf or probe3d, got {rule!r}")
    best, aims = np.asarray(cells), np.asarray(targets, np.float64)
    if best.ndim != 2 or best.shape[1:] != (2,) or not len(best) or best.shape != aims.shape:
        raise ValueError(
            f"cells, targets: expected shape (k, 2) both, without an empty axis; got {best.shape} and {aims.shape}"
        )
    if (best < 0).any() or (best >= np.asarray(grid)).any():
        raise ValueError(f"cells: expected columns and rows inside {grid}, got {best.min()} to {best.max()}")
    left, upper, right, lower = (float(side) for side in np.asarray(box, np.float64))
    longer, side = max(right - left, lower - upper), float(max(image_size))
    if not longer > 0 or not side > 0:
        raise ValueError(f"box: expected right > left and lower > upper, got {[left, upper, right, lower]}")
    if rule == "hpf":
        answers = (best + 0.5) / np.asarray(grid) * side
        return np.asarray(np.linalg.norm(answers - aims, axis=1) <= alpha * longer)
    answers = best / np.asarray(grid) * side
    cut = np.trunc(np.trunc(aims) * (PROBE3D_SIDE / side)) * (side / PROBE3D_SIDE)
    return np.asarray(np.linalg.norm(answers - cut, axis=1) < alpha * longer)


def spair_pck(
    cells: ArrayLike,
    grid: tuple[int, int],
    targets: ArrayLike,
    box: ArrayLike,
    image_size: tuple[int, int],
    alpha: float = 0.1,
    rule: Rule = "hpf",
) -> float:
    """Share of the keypoints of one pair that are found, in [0, 1]. Parameters and errors as in `spair_correct`.

    Examples
    --------
    >>> spair_pck([[3, 0], [7, 7]], (8, 8), [[35.0, 5.0], [5.0, 5.0]], [0, 0, 50, 50], (80, 80))
    0.5
    """
    return float(spair_correct(cells, grid, targets, box, image_size, alpha, rule).mean())


def places_correct(
    answers: ArrayLike, targets: ArrayLike, box: ArrayLike, alpha: float = 0.1, *, strict: bool = False
) -> NDArray[np.bool_]:
    """Whether each answer is near enough to its keypoint, whatever grid it comes from.

    |answer - target| <= alpha * longer side of the box, all in pixels of the original image.

    Parameters
    ----------
    answers, targets : float (k, 2)
        (x, y).
    box : float (4,)
        Left, upper, right, lower side of the object's box in the target image.
    alpha : float
    strict : bool
        Whether an error of just that size is too large, as in probe3d.

    Raises
    ------
    ValueError
        Wrong shapes, no keypoints, an empty box.

    Examples
    --------
    >>> places_correct([[3.0, 4.0], [3.0, 4.1]], [[0.0, 0.0], [0.0, 0.0]], [0, 0, 50, 20]).tolist()
    [True, False]
    """
    ours, theirs = np.asarray(answers, np.float64), np.asarray(targets, np.float64)
    if ours.ndim != 2 or ours.shape[1:] != (2,) or not len(ours) or ours.shape != theirs.shape:
        raise ValueError(f"answers, targets: expected shape (k, 2) both, k > 0; got {ours.shape} and {theirs.shape}")
    left, upper, right, lower = (float(side) for side in np.asarray(box, np.float64))
    longer = max(right - left, lower - upper)
    if not longer > 0:
        raise ValueError(f"box: expected right > left or lower > upper, got {[left, upper, right, lower]}")
    errors = np.linalg.norm(ours - theirs, axis=1)
    return np.asarray(errors < alpha * longer if strict else errors <= alpha * longer)


def pair_mean(correct_of_pairs: list[NDArray[np.bool_]]) -> float:
    """Mean over pairs of the share of keypoints found: the dataset authors' reading.

    Examples
    --------
    >>> pair_mean([np.array([True]), np.array([True, False, False, False])])
    0.625
    """
    if not correct_of_pairs or not all(len(one) for one in correct_of_pairs):
        raise ValueError("correct_of_pairs: expected at least one pair, each with a keypoint")
    return float(np.mean([one.mean() for one in correct_of_pairs]))


def class_mean(correct_of_pairs: list[NDArray[np.bool_]], classes: list[str]) -> float:
    """Mean over classes of the share of keypoints found, pooled within a class: probe3d's reading.

    Examples
    --------
    >>> class_mean([np.array([True]), np.array([True, False, False]), np.array([False])], ["a", "a", "b"])
    0.25
    """
    if not classes or len(classes) != len(correct_of_pairs):
        raise ValueError(f"classes: expected one a pair, got {len(classes)} for {len(correct_of_pairs)} pairs")
    each = [
        np.concatenate([one for one, name in zip(correct_of_pairs, classes, strict=True) if name == wanted]).mean()
        for wanted in sorted(set(classes))
    ]
    return float(np.mean(each))
