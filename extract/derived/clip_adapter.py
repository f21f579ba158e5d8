"""CLIP-Adapter (Gao et al. 2021): a small residual network on the image embedding, before the zero-shot head."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RATIO: Final = 0.2
"""Share of the adapted feature in the published code."""


def adapt(features: NDArray[Any], down: NDArray[Any], up: NDArray[Any], ratio: float = RATIO) -> NDArray[np.float32]:
    """Return `ratio relu(relu(f W1^T) W2^T) + (1 - ratio) f`, `(n, d)` float32.

    Parameters
    ----------
    features
        `(n, d)` image embeddings, un-normalised: the published code normalises after the adapter.
    down, up
        `fc.0.weight` `(h, d)` and `fc.2.weight` `(d, h)`.
    ratio
        In [0, 1].

    Raises
    ------
    ValueError
        For shapes that do not go together, or a ratio outside [0, 1].

    Examples
    --------
    >>> adapt(np.array([[1.0, -2.0]]), np.array([[1.0, 1.0]]), np.array([[1.0], [1.0]]), ratio=0.5).tolist()
    [[0.5, -1.0]]
    >>> adapt(np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]]), np.array([[1.0], [-1.0]]), ratio=0.5).tolist()
    [[3.5, 0.5]]
    """
    if features.ndim != 2 or down.ndim != 2 or up.ndim != 2:
        raise ValueError(f"expected three matrices, got {features.shape}, {down.shape} and {up.shape}")
    d, h = features.shape[1], down.shape[0]
    if down.shape != (h, d) or up.shape != (d, h):
        raise ValueError(f"expected weights {(h, d)} and {(d, h)} for embeddings of {d}; got {down.shape}, {up.shape}")
    if not 0 <= ratio <= 1:
        raise ValueError(f"expected a ratio in [0, 1], got {ratio}")
    rows = np.asarray(features, np.float32)
    hidden = np.maximum(rows @ np.asarray(down, np.float32).T, 0)
    adapted = np.maximum(hidden @ np.asarray(up, np.float32).T, 0)
    result: NDArray[np.float32] = np.float32(ratio) * adapted + np.float32(1 - ratio) * rows
    return result
