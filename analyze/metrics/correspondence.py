"""Dense correspondence between two feature maps: nearest neighbours with a ratio test, and recall of their errors.

Arrays in, arrays out. Knows no image and no pose; `camera` turns poses into errors, `keypoints` scores keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import Matrix, float_array, require_finite

_ROWS_A_BLOCK = 1024
_LEAST_DISTANCE = 1e-9
"""Cosine distances are kept above it, so that two exact copies give the ratio 1 and not 0/0."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Matches from the points of one image to those of another, the surest first.

    Attributes
    ----------
    first, second : int (m,)
        Rows of the two feature lists.
    distance : float64 (m,)
        Cosine distance of the pair, in [0, 2].
    weight : float64 (m,)
        1 - d1 / d2 with d1 <= d2 the distances to the two nearest neighbours, in [0, 1].
    mutual : bool (m,)
        Whether the first point is also the nearest one to the second.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.float64]
    weight: NDArray[np.float64]
    mutual: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)


def nearest_neighbours(f0: ArrayLike, f1: ArrayLike, top: int = 1000) -> Matches:
    """Match every point of the first image to its nearest in the second, and keep those that a ratio test trusts most.

    Distances are cosine distances d = 1 - <u, v> of unit vectors; weight = 1 - d1 / d2 over the two nearest
    neighbours; the `top` largest weights are kept, fewer where there are fewer points. One direction only.

    Parameters
    ----------
    f0 : float (n0, d)
    f1 : float (n1, d)
        At least two rows. Vectors of any length; half precision is widened to float32.
    top : int
        Most matches to keep.

    Raises
    ------
    ValueError
        Wrong shapes, fewer than two points to choose from, NaN or infinity, a vector of length zero, top < 1.

    Notes
    -----
    The matching of probe3d (El Banani et al., Probing the 3D Awareness of Visual Foundation Models, CVPR 2024). Equal
    distances and equal weights go to the lower row.

    Examples
    --------
    The first point has an exact partner, the second lies between two.

    >>> found = nearest_neighbours([[2.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])
    >>> found.first.tolist(), found.second.tolist(), found.weight.round(6).tolist(), found.mutual.tolist()
    ([0, 1], [1, 0], [1.0, 0.0], [True, True])
    """
    ours, theirs = _unit_rows(f0, "f0"), _unit_rows(f1, "f1")
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(f"f1: expected {ours.shape[1]} columns as f0 has, got {theirs.shape}")
    if len(theirs) < 2:
        raise ValueError(f"f1: expected at least two points, for the ratio of two distances; got {len(theirs)}")
    if top < 1:
        raise ValueError(f"top: expected at least 1, got {top}")
    second = np.empty(len(ours), np.int64)
    nearest, runner_up = np.empty(len(ours)), np.empty(len(ours))
    back = np.zeros(len(theirs), np.int64)
    back_best = np.full(len(theirs), -np.inf)
    for start in range(0, len(ours), _ROWS_A_BLOCK):
        rows = slice(start, start + _ROWS_A_BLOCK)
        similarity = (ours[rows] @ theirs.T).astype(np.float64)
        each = np.arange(len(similarity))
        top_of_column = similarity.argmax(axis=0)
        better = similarity[top_of_column, np.arange(len(theirs))] > back_best
        back[better] = start + top_of_column[better]
        back_best[better] = similarity[top_of_column[better], np.flatnonzero(better)]
        best = similarity.argmax(axis=1)
        second[rows] = best
        nearest[rows] = similarity[each, best]
        similarity[each, best] = -np.inf
        runner_up[rows] = similarity.max(axis=1)
    distance = np.maximum(1.0 - nearest, _LEAST_DISTANCE)
    weight = 1.0 - distance / np.maximum(1.0 - runner_up, _LEAST_DISTANCE)
    kept = np.argsort(-weight, kind="stable")[:top]
    return Matches(
        first=kept.astype(np.int64),
        second=second[kept],
        distance=np.clip(1.0 - nearest[kept], 0.0, 2.0),
        weight=weight[kept],
        mutual=back[second[kept]] == kept,
    )


def geometric_recall(errors: ArrayLike, threshold: float) -> float:
    """Share of matches whose error is strictly below a threshold, in [0, 1].

    Parameters
    ----------
    errors : float (m,)
        In metres or pixels; infinite where a match has no image in the other view.
    threshold : float
        In the unit of the errors.

    Raises
    ------
    ValueError
        No matches, NaN, a negative error, a threshold that is not positive.

    Examples
    --------
    >>> geometric_recall([0.0, 0.01, 0.02, 5.0], 0.02)
    0.5
    """
    array = float_array(errors, "errors", 1)
    if np.isnan(array).any() or (array < 0).any():
        raise ValueError("errors: expected distances of at least 0, got NaN or a negative number")
    if not threshold > 0:
        raise ValueError(f"threshold: expected more than 0, got {threshold}")
    return float((array < threshold).mean())


@dataclass(frozen=True, slots=True)
class PooledRecall:
    """Recall over several pairs.

    Attributes
    ----------
    micro
        Over all matches of all pairs.
    macro
        Mean over pairs of the recall within each.
    pairs, matches
        How many there were.
    """

    micro: float
    macro: float
    pairs: int
    matches: int


def pooled_recall(errors_of_pairs: list[NDArray[Any]], threshold: float) -> PooledRecall:
    """Recall over all matches, and the mean over pairs: they differ where pairs have unequal numbers of matches.

    Raises
    ------
    ValueError
        No pairs, or a pair without matches.

    Examples
    --------
    >>> pooled = pooled_recall([np.array([0.0, 0.0, 9.0]), np.array([9.0])], 1.0)
    >>> pooled.micro, round(pooled.macro, 6)
    (0.5, 0.333333)
    """
    if not errors_of_pairs:
        raise ValueError("errors_of_pairs: expected at least one pair, got none")
    each = [geometric_recall(errors, threshold) for errors in errors_of_pairs]
    return PooledRecall(
        micro=geometric_recall(np.concatenate(errors_of_pairs), threshold),
        macro=float(np.mean(each)),
        pairs=len(each),
        matches=sum(len(errors) for errors in errors_of_pairs),
    )


def angle_bin(angle: float, edges: tuple[float, ...]) -> int:
    """Return the number of the half-open bin [edges[i], edges[i + 1]) that an angle falls into; the last is closed.

    Raises
    ------
    ValueError
        When the angle lies outside.

    Examples
    --------
    >>> [angle_bin(angle, (0.0, 30.0, 60.0, 120.0)) for angle in (0.0, 30.0, 120.0)]
    [0, 1, 2]
    """
    if not edges[0] <= angle <= edges[-1]:
        raise ValueError(f"angle: expected {edges[0]} to {edges[-1]}, got {angle}")
    return min(int(np.searchsorted(edges, angle, side="right")) - 1, len(edges) - 2)


def _unit_rows(features: ArrayLike, name: str) -> Matrix:
    matrix = float_array(features, name, 2)
    matrix = matrix.astype(np.float32) if matrix.dtype == np.float16 else matrix
    require_finite(matrix, name)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError(f"{name}: row {int(np.flatnonzero(norms == 0)[0])} has length zero and no direction")
    return np.asarray(matrix / norms)
