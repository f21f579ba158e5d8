"""Linear classifiers on image embeddings: a probe, and the line between a zero-shot head and a fine-tuned one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tip_adapter import unit_rows


@dataclass(frozen=True, slots=True)
class Linear:
    """`weights` `(c, d)` and `bias` `(c,)`, float32."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.bias.shape != self.weights.shape[:1] or not self.weights.size:
            raise ValueError(f"expected weights (c, d) and bias (c,), got {self.weights.shape} and {self.bias.shape}")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("the classifier holds numbers that are not finite")


def linear_logits(features: NDArray[Any], head: Linear, *, normalised: bool) -> NDArray[np.float32]:
    """Return `f W^T + b`, `(n, c)` float32.

    Parameters
    ----------
    features
        `(n, d)` image embeddings, un-normalised.
    normalised
        Whether the classifier was trained on features of unit length.

    Raises
    ------
    ValueError
        For features of another width.

    Examples
    --------
    >>> head = Linear(np.array([[1.0, 0.0], [0.0, 2.0]], np.float32), np.array([0.0, 1.0], np.float32))
    >>> linear_logits(np.array([[0.0, 4.0]], np.float32), head, normalised=False).tolist()
    [[0.0, 9.0]]
    >>> linear_logits(np.array([[0.0, 4.0]], np.float32), head, normalised=True).tolist()
    [[0.0, 3.0]]
    """
    if features.ndim != 2 or features.shape[1] != head.weights.shape[1]:
        raise ValueError(f"expected features (n, {head.weights.shape[1]}) as the classifier is, got {features.shape}")
    rows = unit_rows(features) if normalised else np.asarray(features, np.float32)
    result: NDArray[np.float32] = rows @ head.weights.T + head.bias
    return result


def average(zero_shot: Linear, fine_tuned: Linear, alpha: float) -> Linear:
    """Return `(1 - alpha) zero_shot + alpha fine_tuned` (WiSE-FT of a linear classifier, Wortsman et al. 2022).

    Both act on features of unit length; the zero-shot one holds the logit scale.

    Raises
    ------
    ValueError
        For an alpha outside [0, 1] or heads of two shapes.

    Examples
    --------
    >>> zero, one = Linear(np.zeros((1, 2), np.float32), np.zeros(1, np.float32)), Linear(
    ...     np.ones((1, 2), np.float32), np.ones(1, np.float32))
    >>> mixed = average(zero, one, 0.25)
    >>> mixed.weights.tolist(), mixed.bias.tolist()
    ([[0.25, 0.25]], [0.25])
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"expected alpha in [0, 1], got {alpha}")
    if zero_shot.weights.shape != fine_tuned.weights.shape:
        raise ValueError(f"expected heads of one shape, got {zero_shot.weights.shape} and {fine_tuned.weights.shape}")
    ours, theirs = np.float32(1 - alpha), np.float32(alpha)
    return Linear(
        ours * zero_shot.weights + theirs * fine_tuned.weights, ours * zero_shot.bias + theirs * fine_tuned.bias
    )
