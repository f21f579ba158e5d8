"""Tip-Adapter (Zhang et al. 2022): zero-shot logits plus what a cache of labelled features says.

Arrays in, arrays out; a pure function of embeddings. Symbols: n images, d dimensions, k shots (all classes together),
c classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ALPHA: Final = 1.17
BETA: Final = 1.0
"""The published setting of ImageNet with 16 shots (configs/imagenet.yaml)."""

BETAS: Final = tuple(0.1 + i * (7 - 0.1) / 200 for i in range(200))
ALPHAS: Final = tuple(0.1 + i * (3 - 0.1) / 20 for i in range(20))
"""The published search (utils.py: search_scale [7, 3], search_step [200, 20])."""

_ROWS: Final = 512


def unit_rows(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows of length one, `(n, d)` float32.

    Raises
    ------
    ValueError
        For a row without direction, or another shape.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0]])).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    values = np.asarray(rows, np.float32)
    if values.ndim != 2 or not len(values):
        raise ValueError(f"expected at least one row (n, d), got shape {values.shape}")
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("a row is zero or not finite, so it has no direction")
    result: NDArray[np.float32] = values / lengths
    return result


def cache_keys(copies: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the keys of a cache: the mean over augmented copies of un-normalised features, then unit length.

    Parameters
    ----------
    copies
        One `(k, d)` array for each augmented copy of the same shots, in the same order.

    Examples
    --------
    >>> cache_keys([np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]])]).round(3).tolist()
    [[0.7070000171661377, 0.7070000171661377]]
    """
    if not copies or any(copy.shape != copies[0].shape for copy in copies):
        raise ValueError(f"expected copies of one shape, got {[copy.shape for copy in copies]}")
    return unit_rows(np.mean([np.asarray(copy, np.float64) for copy in copies], axis=0))


def labels_of_values(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the classes `(k,)` of the one-hot rows `(k, c)` that Tip-Adapter stores.

    Raises
    ------
    ValueError
        For a row that is not one-hot.

    Examples
    --------
    >>> labels_of_values(np.array([[0.0, 1.0], [1.0, 0.0]])).tolist()
    [1, 0]
    """
    array = np.asarray(values)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"expected values (k, c), got shape {array.shape}")
    odd = np.flatnonzero(((array != 0) & (array != 1)).any(axis=1) | (array.sum(axis=1) != 1))
    if odd.size:
        raise ValueError(f"row {odd[0]} of the values is not one-hot")
    return array.argmax(axis=1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Shots:
    """A cache of labelled features.

    keys
        `(k, d)` float32: unit rows of Tip-Adapter, trained rows of Tip-Adapter-F.
    labels
        `(k,)` classes.
    classes
        Their number.
    """

    keys: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int

    def __post_init__(self) -> None:
        if self.keys.ndim != 2 or not len(self.keys) or self.labels.shape != (len(self.keys),):
            raise ValueError(
                f"expected keys (k, d) and labels (k,), k > 0; got {self.keys.shape} and {self.labels.shape}"
            )
        if not np.isfinite(self.keys).all():
            raise ValueError("the keys hold numbers that are not finite")
        if self.labels.min() < 0 or self.labels.max() >= self.classes:
            raise ValueError(f"expected labels 0..{self.classes - 1}, got {self.labels.min()}..{self.labels.max()}")

    def sorted_by_class(self) -> Shots:
        """Return the same with the shots of a class side by side, so that they can be summed."""
        order = np.argsort(self.labels, kind="stable")
        return Shots(self.keys[order], self.labels[order], self.classes)


def cache_logits(features: NDArray[np.float32], shots: Shots, beta: float) -> NDArray[np.float32]:
    """Return `exp(-beta (1 - f K^T)) V`, `(n, c)` float32: for each class the sum over its shots.

    Parameters
    ----------
    features
        `(n, d)` unit rows.
    shots
        Sorted by class or not.

    Examples
    --------
    >>> shots = Shots(np.eye(2, dtype=np.float32), np.array([0, 1]), 2)
    >>> cache_logits(np.array([[1.0, 0.0]], np.float32), shots, 1.0).astype(float).round(4).tolist()
    [[1.0, 0.3679]]
    """
    ordered = shots.sorted_by_class()
    return _summed(np.asarray(features, np.float32) @ ordered.keys.T, ordered, beta)


def _summed(affinity: NDArray[np.float32], shots: Shots, beta: float) -> NDArray[np.float32]:
    present, starts = np.unique(shots.labels, return_index=True)
    weights = np.exp(np.float32(beta) * (affinity - np.float32(1)))
    out = np.zeros((len(affinity), shots.classes), np.float32)
    out[:, present] = np.add.reduceat(weights, starts, axis=1)
    return out


def tip_adapter_logits(
    features: NDArray[Any], base: NDArray[Any], shots: Shots, alpha: float, beta: float
) -> NDArray[np.float32]:
    """Return `base + alpha exp(-beta (1 - f K^T)) V`, `(n, c)` float32.

    The sum is not on the scale of CLIP's logits, on which temperatures and detectors are read: a class with s shots
    gains up to alpha s.

    Parameters
    ----------
    features
        `(n, d)` image embeddings, un-normalised.
    base
        `(n, c)` zero-shot logits: scale times cosine.

    Raises
    ------
    ValueError
        For shapes that do not go together, or a feature without direction.

    Examples
    --------
    >>> shots = Shots(np.eye(2, dtype=np.float32), np.array([0, 1]), 2)
    >>> base = np.array([[10.0, 20.0]], np.float32)
    >>> tip_adapter_logits(np.array([[5.0, 0.0]], np.float32), base, shots, alpha=2.0, beta=0.0).tolist()
    [[12.0, 22.0]]
    """
    _check(features, base, shots)
    ordered = shots.sorted_by_class()
    out = np.empty((len(features), shots.classes), np.float32)
    for start in range(0, len(features), _ROWS):
        part = slice(start, start + _ROWS)
        affinity = unit_rows(features[part]) @ ordered.keys.T
        out[part] = base[part] + np.float32(alpha) * _summed(affinity, ordered, beta)
    return out


def _check(features: NDArray[Any], base: NDArray[Any], shots: Shots) -> None:
    if features.ndim != 2 or features.shape[1] != shots.keys.shape[1]:
        raise ValueError(f"expected features (n, {shots.keys.shape[1]}) as the keys are, got {features.shape}")
    if base.shape != (len(features), shots.classes):
        raise ValueError(f"expected base logits {(len(features), shots.classes)}, got {base.shape}")


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best point of a search.

    accuracy
        Top-1 on the images that it was searched on.
    """

    alpha: float
    beta: float
    accuracy: float
    n: int


def tune(
    features: NDArray[Any],
    base: NDArray[Any],
    truth: NDArray[np.int64],
    shots: Shots,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
) -> Tuned:
    """Return the alpha and beta of highest accuracy; the first of equals, beta before alpha, as published.

    # Differs from Tip-Adapter: the images are the caller's, so that they need not be those of the evaluation.

    Parameters
    ----------
    features, base
        As `tip_adapter_logits` takes them.
    truth
        `(n,)` right classes.

    Raises
    ------
    ValueError
        For shapes that do not go together, or nothing to search.

    Examples
    --------
    >>> shots = Shots(np.eye(2, dtype=np.float32), np.array([0, 1]), 2)
    >>> base = np.array([[0.0, 0.5]], np.float32)
    >>> tune(np.array([[1.0, 0.0]]), base, np.array([0]), shots, alphas=(0.5, 1.0), betas=(1.0, 2.0))
    Tuned(alpha=1.0, beta=1.0, accuracy=1.0, n=1)
    """
    _check(features, base, shots)
    if truth.shape != (len(features),) or not len(features) or not len(alphas) or not len(betas):
        raise ValueError(
            f"expected truth ({len(features)},) and values to search, got {truth.shape}, {len(alphas)} alphas, "
            f"{len(betas)} betas"
        )
    ordered = shots.sorted_by_class()
    right = np.zeros((len(betas), len(alphas)), np.int64)
    for start in range(0, len(features), _ROWS):
        part = slice(start, start + _ROWS)
        affinity = unit_rows(features[part]) @ ordered.keys.T
        zero_shot = np.asarray(base[part], np.float32)
        for row, beta in enumerate(betas):
            added = _summed(affinity, ordered, beta)
            for column, alpha in enumerate(alphas):
                answers = (zero_shot + np.float32(alpha) * added).argmax(axis=1)
                right[row, column] += int((answers == truth[part]).sum())
    row, column = np.unravel_index(right.argmax(), right.shape)
    best = float(right[row, column]) / len(features)
    return Tuned(float(alphas[column]), float(betas[row]), best, len(features))
