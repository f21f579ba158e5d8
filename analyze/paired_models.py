"""Two models on the same images: the difference of their accuracies, its interval and an exact test.

Counts in, numbers out; many pairs at once. Knows no model and no image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Accuracy of the first minus that of the second, each array of the shape of the counts.

    difference, lo, hi
        In [-1, 1].
    p
        Two-sided exact McNemar test of no difference.
    """

    difference: NDArray[np.float64]
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    p: NDArray[np.float64]


def paired_difference(both: ArrayLike, first: ArrayLike, second: ArrayLike, neither: ArrayLike) -> PairedDifference:
    """Compare two accuracies on the same images.

    With p1 and p2 the accuracies, l and u their Wilson ends and r the correlation of the answers,

        lo = d - sqrt((p1 - l1)^2 - 2 r (p1 - l1) (u2 - p2) + (u2 - p2)^2),

    and hi alike with the other ends: Newcombe's method 10. r is continuity-corrected where it is positive.

    Parameters
    ----------
    both, first, second, neither
        Images that both answer rightly, the first alone, the second alone, neither: whole numbers of equal shape.

    Raises
    ------
    ValueError
        Negative counts, unequal shapes, or no image.

    References
    ----------
    Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired data,
    Statistics in Medicine 17, 1998. McNemar, Psychometrika 12, 1947, in its exact form.

    Examples
    --------
    Newcombe's first example, 36 + 12 + 2 + 0 of 50: 0.20 from 0.0569 to 0.3404.

    >>> found = paired_difference(36, 12, 2, 0)
    >>> round(float(found.difference), 2), round(float(found.lo), 4), round(float(found.hi), 4)
    (0.2, 0.0569, 0.3404)
    >>> round(float(found.p), 4)
    0.0129
    """
    counts = [np.asarray(one, np.float64) for one in (both, first, second, neither)]
    if len({one.shape for one in counts}) != 1 or any((one < 0).any() for one in counts):
        raise ValueError(f"expected four counts of one shape, none negative; got {[one.shape for one in counts]}")
    e, f, g, h = counts
    n = e + f + g + h
    if (n == 0).any():
        raise ValueError("expected at least one image that both models answered")
    p1, p2 = (e + f) / n, (e + g) / n
    low1, high1 = _wilson(p1, n)
    low2, high2 = _wilson(p2, n)
    r = _correlation(e, f, g, h)
    down = _root((p1 - low1), (high2 - p2), r)
    up = _root((high1 - p1), (p2 - low2), r)
    difference = p1 - p2
    few, discordant = np.minimum(f, g), f + g
    p = np.where(
        discordant > 0, np.minimum(1.0, 2 * special.bdtr(few, np.maximum(discordant, 1).astype(np.int64), 0.5)), 1.0
    )
    return PairedDifference(difference, difference - down, difference + up, p)


def _wilson(p: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    z = float(special.ndtri(0.5 + LEVEL / 2))
    middle = p + z**2 / (2 * n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return (middle - half) / scale, (middle + half) / scale


def _correlation(
    e: NDArray[np.float64], f: NDArray[np.float64], g: NDArray[np.float64], h: NDArray[np.float64]
) -> NDArray[np.float64]:
    n = e + f + g + h
    product = (e + f) * (g + h) * (e + g) * (f + h)
    excess = e * h - f * g
    corrected = np.where(excess > 0, np.maximum(excess - n / 2, 0), excess)
    return np.where(product > 0, corrected / np.sqrt(np.where(product > 0, product, 1)), 0.0)


def _root(a: NDArray[np.float64], b: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(a**2 - 2 * r * a * b + b**2, 0))
