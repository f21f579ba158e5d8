"""Scores that say how in-distribution an image's features look: distances to what a classifier has seen.

Each detector is fitted on features of in-distribution images and then scores others; larger is more in-distribution.
Statistics are float64, everything is done in row blocks. Detectors that also need the classifier's weights are in
`ood_weights`. Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import Matrix, float_array, label_vector, require_finite

BLOCK = 1024
# Eigenvalues below this share of the largest are directions that the features do not have.
RANK_TOLERANCE = 1e-10


def feature_matrix(features: ArrayLike, name: str = "features", d: int | None = None) -> Matrix:
    """Features as a finite matrix (n, d).

    Raises
    ------
    ValueError
        A wrong or empty shape, NaN or infinity (with row numbers).
    """
    matrix = float_array(features, name, 2)
    require_finite(matrix, name)
    if d is not None and matrix.shape[1] != d:
        raise ValueError(f"{name}: expected {d} columns, as fitted, got {matrix.shape[1]}")
    return matrix


def float64_blocks(matrix: Matrix, rows: int = BLOCK) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield the rows of a matrix, some at a time, as float64."""
    for start in range(0, len(matrix), rows):
        part = slice(start, start + rows)
        yield part, matrix[part].astype(np.float64)


def unit_rows(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their Euclidean length.

    Raises
    ------
    ValueError
        For a row of length 0, which has no direction.
    """
    length = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not length.all():
        raise ValueError(f"features: expected a direction, got {int((length == 0).sum())} row(s) of length 0")
    return np.asarray(matrix / length)


@dataclass(frozen=True, slots=True)
class Moments:
    """Means and covariances of features.

    mean : (d,), over all rows.
    class_means : (k, d), of the classes that occur.
    within, total : (d, d) covariances about the class means and about the mean, divided by n.
    """

    mean: NDArray[np.float64]
    class_means: NDArray[np.float64]
    within: NDArray[np.float64]
    total: NDArray[np.float64]


def moments(features: ArrayLike, labels: ArrayLike) -> Moments:
    """Means and covariances of features by class.

    Parameters
    ----------
    features : float (n, d)
    labels : int (n,)
        Classes, at least 0.

    Raises
    ------
    ValueError
        Wrong shapes, labels below 0, NaN or infinity.

    Examples
    --------
    >>> found = moments([[0.0], [2.0], [10.0], [12.0]], [0, 0, 1, 1])
    >>> found.class_means.tolist(), found.within.tolist(), found.total.tolist()
    ([[1.0], [11.0]], [[1.0]], [[26.0]])
    """
    matrix = feature_matrix(features)
    n, d = matrix.shape
    given = np.asarray(labels)
    truth = label_vector(given, n, max(1, int(given.max(initial=0)) + 1))
    _, index = np.unique(truth, return_inverse=True)
    count = np.bincount(index)
    # About the mean: squares of what is left do not drown the differences.
    mean = sum(block.sum(axis=0) for _, block in float64_blocks(matrix)) / n
    sums, square = np.zeros((len(count), d)), np.zeros((d, d))
    for rows, block in float64_blocks(matrix):
        block -= mean
        np.add.at(sums, index[rows], block)
        square += block.T @ block
    offsets = sums / count[:, None]
    within = (square - (sums.T @ offsets)) / n
    return Moments(np.asarray(mean), mean + offsets, within, square / n)


@dataclass(frozen=True, slots=True)
class Mahalanobis:
    """Fitted Gaussian of each class with one shared covariance; `background` is one Gaussian of everything.

    whiten, background_whiten : (d, r), with whiten whiten^T the pseudo-inverse of a covariance.
    """

    class_means: NDArray[np.float64]
    whiten: NDArray[np.float64]
    mean: NDArray[np.float64]
    background_whiten: NDArray[np.float64]

    def scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """-min_c (f - mu_c)^T Sigma^+ (f - mu_c) of each row, at most 0."""
        matrix = feature_matrix(features, d=len(self.mean))
        centres = (self.class_means - self.mean) @ self.whiten
        found = np.empty(len(matrix))
        for rows, block in float64_blocks(matrix):
            found[rows] = -_square_distances((block - self.mean) @ self.whiten, centres).min(axis=1)
        return found

    def relative_scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """`scores` minus that of the background, -(f - mu)^T Sigma_0^+ (f - mu)."""
        matrix = feature_matrix(features, d=len(self.mean))
        found = self.scores(matrix)
        for rows, block in float64_blocks(matrix):
            found[rows] += (((block - self.mean) @ self.background_whiten) ** 2).sum(axis=1)
        return found


def fit_mahalanobis(features: ArrayLike, labels: ArrayLike) -> Mahalanobis:
    """Fit class means and the covariance shared by the classes.

    A direction without variance (fewer images than dimensions) has no distance: the pseudo-inverse leaves it out.

    Parameters as in `moments`.

    Raises
    ------
    ValueError
        As `moments`; when the features do not vary within any class (one image a class, say): all would score 0.

    Notes
    -----
    Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks, NeurIPS
    2018, equation 2. Relative: Ren et al., A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection, 2021.

    Examples
    --------
    Variance 1 within the classes, 26 in all: at 3 the nearer mean is 2 away, the mean 3 away.

    >>> fitted = fit_mahalanobis([[0.0], [2.0], [10.0], [12.0]], [0, 0, 1, 1])
    >>> fitted.scores([[3.0]]).tolist(), (fitted.relative_scores([[3.0]]) * 26).round(9).tolist()
    ([-4.0], [-95.0])
    """
    found = moments(features, labels)
    # What is left of a difference of nearly equal sums is no variance: the whole says how much counts.
    whiten = _whitener(found.within, RANK_TOLERANCE * float(np.diag(found.total).max()))
    if not whiten.shape[1]:
        raise ValueError(
            f"features: expected variance within a class, got none in {len(found.class_means)} class(es) of "
            f"{len(np.asarray(labels))} image(s)"
        )
    return Mahalanobis(found.class_means, whiten, found.mean, _whitener(found.total))


def cosine_to_mean(features: ArrayLike, class_means: ArrayLike) -> NDArray[np.float64]:
    """Largest cosine of each row with the class means of `moments`, in [-1, 1].

    Raises
    ------
    ValueError
        Wrong shapes, NaN or infinity, a row of length 0.

    Notes
    -----
    Among the scores of NINCO (Bitterwolf et al., ICML 2023).

    Examples
    --------
    >>> cosine_to_mean([[3.0, 4.0]], [[2.0, 0.0], [0.0, 9.0]]).tolist()
    [0.8]
    """
    means = unit_rows(feature_matrix(class_means, "class_means").astype(np.float64))
    matrix = feature_matrix(features, d=means.shape[1])
    found = np.empty(len(matrix))
    for rows, block in float64_blocks(matrix):
        found[rows] = (unit_rows(block) @ means.T).max(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Unit features (n, d) of in-distribution images, float32, and the number of neighbours that counts."""

    bank: NDArray[np.float32]
    k: int

    def scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """Minus the Euclidean distance of each row, as a unit vector, to its k-th nearest in the bank; in [-2, 0]."""
        matrix = feature_matrix(features, d=self.bank.shape[1])
        found = np.empty(len(matrix))
        for rows, block in float64_blocks(matrix, max(1, (1 << 24) // len(self.bank))):
            cosines = unit_rows(block).astype(np.float32) @ self.bank.T
            kth = np.partition(cosines, len(self.bank) - self.k, axis=1)[:, len(self.bank) - self.k]
            found[rows] = -np.sqrt(np.maximum(2.0 - 2.0 * kth.astype(np.float64), 0.0))
        return found


def fit_neighbours(features: ArrayLike, k: int = 50) -> Neighbours:
    """Keep features as the bank of a nearest-neighbour detector.

    Parameters
    ----------
    features : float (n, d)
    k : int
        From 1 to n. 50 is OpenOOD's default; NINCO takes 1,000 of 1.28 million training images.

    Raises
    ------
    ValueError
        k out of range, a row of length 0, NaN or infinity.

    Notes
    -----
    Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022. The distance, not its square.

    Examples
    --------
    The second nearest of (1, 0) is (0, 1), at a distance of the root of 2.

    >>> fit_neighbours([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]], k=2).scores([[7.0, 0.0]]).round(6).tolist()
    [-1.414214]
    """
    matrix = feature_matrix(features)
    if not 1 <= k <= len(matrix):
        raise ValueError(f"k: expected 1 to {len(matrix)}, the number of features, got {k}")
    bank = np.empty(matrix.shape, np.float32)
    for rows, block in float64_blocks(matrix):
        bank[rows] = unit_rows(block)
    return Neighbours(bank, k)


def _whitener(covariance: NDArray[np.float64], least: float = 0.0) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    keep = values > max(float(values[-1]) * RANK_TOLERANCE, least)
    return np.asarray(vectors[:, keep] / np.sqrt(values[keep]))


def _square_distances(rows: NDArray[Any], centres: NDArray[Any]) -> NDArray[np.float64]:
    square = (rows**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2.0 * rows @ centres.T
    return np.asarray(np.maximum(square, 0.0))
