"""Feature-based scores that also need a classifier's logits or its weights: ViM, ReAct, NNGuide, fDBD.

Fitted on features of in-distribution images; larger is more in-distribution. Logits are z = f W + b. Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import Matrix, finite_vector, logit_matrix, open_fraction

from .ood_features import feature_matrix, float64_blocks, unit_rows
from .ood_scores import energy


@dataclass(frozen=True, slots=True)
class Weights:
    """The last layer of a classifier: weight (d, c), bias (c,)."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return f W + b."""
        return np.asarray(features @ self.weight + self.bias)


@dataclass(frozen=True, slots=True)
class Vim:
    """Fitted virtual-logit matching.

    origin : (d,), where the layer's logits are as near 0 as they can be.
    residual : (d, r), orthonormal directions that features hardly use.
    alpha : what a residual's length is worth in logits.
    """

    origin: NDArray[np.float64]
    residual: NDArray[np.float64]
    alpha: float

    def scores(self, features: ArrayLike, energies: ArrayLike) -> NDArray[np.float64]:
        """Energy (log sum exp z) of each row minus alpha |residual^T (f - origin)|."""
        matrix = feature_matrix(features, d=len(self.origin))
        return _beside(energies, len(matrix)) - self.alpha * residual_length(matrix, self.origin, self.residual)


def principal_dimension(d: int) -> int:
    """Dimensions of d that ViM takes for the principal space: 1000 from 2048 on, 512 from 768 on, else half.

    Examples
    --------
    >>> [principal_dimension(d) for d in (2048, 1024, 768, 512)]
    [1000, 512, 512, 256]
    """
    return 1000 if d >= 2048 else 512 if d >= 768 else d // 2


def fit_vim(features: ArrayLike, max_logits: ArrayLike, weights: Weights, principal: int | None = None) -> Vim:
    """Fit virtual-logit matching: origin -W^+ b, the residual space of the features about it, and alpha.

    alpha = mean of the largest logit / mean length of the residual.

    Parameters
    ----------
    features : float (n, d)
    max_logits : float (n,)
        Largest logit of each.
    weights : Weights
    principal : int, optional
        Dimensions of the principal space; `principal_dimension(d)` by default.

    Raises
    ------
    ValueError
        Wrong shapes, NaN or infinity, no residual space, features without residual.

    Notes
    -----
    Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, CVPR 2022, section 4.

    Examples
    --------
    No bias; features lie along the first axis, with residuals of 1 beside it, and the largest logit is 4.

    >>> weights = Weights(np.array([[1.0, -1.0], [0.0, 0.0]]), np.zeros(2))
    >>> fit_vim([[4.0, 1.0], [-4.0, 1.0]], [4.0, 4.0], weights, principal=1).alpha
    4.0
    """
    matrix = feature_matrix(features)
    n, d = matrix.shape
    keep = principal_dimension(d) if principal is None else principal
    if not 0 <= keep < d:
        raise ValueError(f"principal: expected 0 to {d - 1} of {d} dimensions, got {keep}")
    origin = -np.linalg.pinv(weights.weight.T) @ weights.bias
    square = np.zeros((d, d))
    for _, block in float64_blocks(matrix):
        square += (block - origin).T @ (block - origin)
    _, vectors = np.linalg.eigh(square / n)
    residual = vectors[:, : d - keep]
    length = float(residual_length(matrix, origin, residual).mean())
    if length == 0:
        raise ValueError("features: expected some outside the principal space, got none; ViM has nothing to measure")
    return Vim(origin, residual, float(_beside(max_logits, n).mean()) / length)


def residual_length(matrix: Matrix, origin: NDArray[np.float64], residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of each row's part in the residual space, seen from the origin."""
    found = np.empty(len(matrix))
    for rows, block in float64_blocks(matrix):
        found[rows] = np.linalg.norm((block - origin) @ residual, axis=1)
    return found


def activation_limit(features: ArrayLike, quantile: float = 0.99) -> float:
    """Quantile of all activations, at which ReAct cuts them.

    Parameters
    ----------
    features : float (n, d)
    quantile : float
        0.99 in NINCO and ViM, 0.90 in OpenOOD.

    Examples
    --------
    >>> activation_limit([[0.0, 1.0], [2.0, 4.0]], 0.5)
    1.5
    """
    return float(np.quantile(feature_matrix(features), open_fraction(quantile, "quantile")))


def react(features: ArrayLike, weights: Weights, limit: float) -> NDArray[np.float64]:
    """Energy of the logits of cut features, log sum exp(min(f, limit) W + b).

    Notes
    -----
    Sun, Guo and Li, ReAct: Out-of-distribution Detection With Rectified Activations, NeurIPS 2021.

    Examples
    --------
    >>> react([[5.0]], Weights(np.array([[1.0]]), np.array([0.5])), 2.0).tolist()
    [2.5]
    """
    matrix = feature_matrix(features, d=len(weights.weight))
    found = np.empty(len(matrix))
    for rows, block in float64_blocks(matrix):
        found[rows] = energy(weights.logits(np.minimum(block, limit)))
    return found


@dataclass(frozen=True, slots=True)
class NnGuide:
    """Unit features of in-distribution images times their energies, (n, d) float32."""

    bank: NDArray[np.float32]
    k: int

    def scores(self, features: ArrayLike, energies: ArrayLike) -> NDArray[np.float64]:
        """Energy times the mean of the k largest energy-weighted cosines to the bank."""
        matrix = feature_matrix(features, d=self.bank.shape[1])
        found = _beside(energies, len(matrix)).copy()
        for rows, block in float64_blocks(matrix, max(1, (1 << 24) // len(self.bank))):
            guide = unit_rows(block).astype(np.float32) @ self.bank.T
            top = np.partition(guide, len(self.bank) - self.k, axis=1)[:, len(self.bank) - self.k :]
            found[rows] *= top.mean(axis=1, dtype=np.float64)
        return found


def fit_nnguide(features: ArrayLike, energies: ArrayLike, k: int = 10) -> NnGuide:
    """Keep features and energies as the bank of nearest-neighbour guidance.

    Parameters
    ----------
    features : float (n, d)
    energies : float (n,)
        log sum exp of the logits of each.
    k : int
        From 1 to n.

    Raises
    ------
    ValueError
        k out of range, wrong shapes, a row of length 0, NaN or infinity.

    Notes
    -----
    Park, Jung and Teoh, Nearest Neighbor Guidance for Out-of-Distribution Detection, ICCV 2023; k = 10 as there for
    ImageNet.

    Examples
    --------
    Energies 2 and 3: 3 times (cosine 0.6 times 2).

    >>> fit_nnguide([[1.0, 0.0]], [2.0], k=1).scores([[3.0, 4.0]], [3.0]).round(6).tolist()
    [3.6]
    """
    matrix = feature_matrix(features)
    if not 1 <= k <= len(matrix):
        raise ValueError(f"k: expected 1 to {len(matrix)}, the number of features, got {k}")
    worth = _beside(energies, len(matrix))
    bank = np.empty(matrix.shape, np.float32)
    for rows, block in float64_blocks(matrix):
        bank[rows] = unit_rows(block) * worth[rows, None]
    return NnGuide(bank, k)


def fdbd(
    features: ArrayLike, logits: ArrayLike, weight: NDArray[np.float64], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean distance to the decision boundaries, over the distance to the mean feature of the training images.

    With m the predicted class: mean over c != m of (z_m - z_c) / |w_m - w_c|, divided by |f - mean|. Boundaries
    between classes of equal weights are nowhere and do not count.

    Parameters
    ----------
    features : float (n, d)
    logits : float (n, c)
    weight : float (d, c)
        c at least 2.
    mean : float (d,)

    Raises
    ------
    ValueError
        Wrong shapes, fewer than two different classes, a feature that is the mean itself, NaN or infinity.

    Notes
    -----
    Liu and Qin, Fast Decision Boundary based Out-of-Distribution Detector, ICML 2024, equation 7.

    Examples
    --------
    Logits 3 and -3 of weights 1 and -1: the boundary is 3 away, the mean 1.5.

    >>> fdbd([[3.0]], [[3.0, -3.0]], np.array([[1.0, -1.0]]), np.array([1.5])).tolist()
    [2.0]
    """
    matrix, values = feature_matrix(features, d=len(weight)), logit_matrix(logits)
    if values.shape != (len(matrix), weight.shape[1]):
        raise ValueError(f"logits: expected shape {(len(matrix), weight.shape[1])}, got {values.shape}")
    square = (weight**2).sum(axis=0)
    apart = np.sqrt(np.maximum(square[:, None] + square - 2.0 * weight.T @ weight, 0.0))
    # What rounding leaves of equal weights is no distance.
    apart[apart <= 1e-7 * np.sqrt(square.max(initial=0.0))] = np.inf
    found = np.empty(len(matrix))
    for rows, block in float64_blocks(matrix):
        z = values[rows].astype(np.float64)
        answer = z.argmax(axis=1)
        between = apart[answer]
        real = np.isfinite(between)
        length = np.linalg.norm(block - mean, axis=1)
        if not real.any(axis=1).all() or not length.all():
            raise ValueError("expected two different classes, and features away from their mean")
        distance = (z.max(axis=1, keepdims=True) - z) / between
        found[rows] = distance.sum(axis=1) / real.sum(axis=1) / length
    return found


def _beside(values: ArrayLike, n: int) -> NDArray[np.float64]:
    vector = finite_vector(values, "energies or max_logits")
    if len(vector) != n:
        raise ValueError(f"energies or max_logits: expected {n}, one a feature, got {len(vector)}")
    return vector
