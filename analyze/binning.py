"""Bins of confidences: right-closed intervals, their edges and their sums. Knows nothing of what is done with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BinSums:
    """Sums over the rows in each of b bins; bin m is (edges[m], edges[m + 1]], the first also holds its lower edge."""

    edges: NDArray[np.float64]
    index: NDArray[np.intp]
    n: NDArray[np.intp]
    confidence: NDArray[np.float64]
    correct: NDArray[np.float64]


def equal_width_edges(bins: int) -> NDArray[np.float64]:
    """Edges 0, 1/bins, ..., 1 in float64."""
    return np.linspace(0.0, 1.0, bins + 1)


def equal_mass_edges(confidence: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Edges that part the sorted confidences into nearly equal counts, moved so that equal values share a bin.

    The sorted values are cut as `numpy.array_split` cuts them; the upper edge of a bin is the largest value of its
    piece, and repeated edges merge; the lowest edge is -inf. So rows with equal confidence never fall into two bins,
    and row order cannot matter.
    """
    sizes = np.full(bins, len(confidence) // bins)
    sizes[: len(confidence) % bins] += 1
    last = np.cumsum(sizes[sizes > 0]) - 1
    upper = np.unique(np.sort(confidence)[last])
    return np.concatenate(([-np.inf], upper))


def bin_index(confidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Bin of each confidence under right-closed edges; a value on the lowest edge goes to the first bin."""
    return np.maximum(np.searchsorted(edges, confidence, side="left") - 1, 0)


def bin_sums(confidence: NDArray[np.float64], correct: NDArray[np.float64], edges: NDArray[np.float64]) -> BinSums:
    """Count, sum of confidence and number correct of each bin."""
    index = bin_index(confidence, edges)
    bins = len(edges) - 1
    return BinSums(
        edges=edges,
        index=index,
        n=np.bincount(index, minlength=bins),
        confidence=np.asarray(np.bincount(index, weights=confidence, minlength=bins), np.float64),
        correct=np.asarray(np.bincount(index, weights=correct, minlength=bins), np.float64),
    )
