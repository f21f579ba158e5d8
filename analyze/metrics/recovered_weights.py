"""The last layer of a classifier, recovered from the features that go into it and the logits that come out.

A store holds both and not the layer. Where logits are linear in the features, W and b are what least squares finds;
where they are not, or images are too few, that is said and nothing is returned. Knows arrays only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ood_weights import Weights

TOLERANCE = 1e-3
"""Largest error of a recovered logit on rows that were not fitted on, as a share of the logits' standard deviation."""

HELD_BACK = 10
"""Every so many rows one is held back to check the layer on."""


_TINY = float(np.finfo(np.float32).tiny)


class WeightRecovery:
    """Collects rows, then solves z = f W + b in float64; memory is that of (d + 1) x (d + 1 + c) sums.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> f, w, b = rng.standard_normal((50, 3)), rng.standard_normal((3, 2)), np.array([1.0, -1.0])
    >>> recovery = WeightRecovery()
    >>> recovery.put(f, f @ w + b)
    >>> found = recovery.weights()
    >>> bool(np.allclose(found.weight, w)), found.bias.round(9).tolist()
    (True, [1.0, -1.0])
    """

    def __init__(self) -> None:
        self._n = 0
        self._seen = 0
        self._gram: NDArray[np.float64] | None = None
        self._cross: NDArray[np.float64] | None = None
        self._checks: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def put(self, features: NDArray[Any], logits: NDArray[Any]) -> None:
        """Take rows: features (n, d) and their logits (n, c), all finite."""
        if features.ndim != 2 or logits.ndim != 2 or len(features) != len(logits):
            raise ValueError(f"expected features (n, d) and logits (n, c), got {features.shape} and {logits.shape}")
        held = (self._seen + np.arange(len(features))) % HELD_BACK == HELD_BACK - 1
        self._seen += len(features)
        self._checks.append((features[held], logits[held]))
        rows = _with_one(features[~held])
        targets = logits[~held].astype(np.float64)
        if self._gram is None or self._cross is None:
            self._gram = np.zeros((rows.shape[1], rows.shape[1]))
            self._cross = np.zeros((rows.shape[1], targets.shape[1]))
        self._gram += rows.T @ rows
        self._cross += rows.T @ targets
        self._n += len(rows)

    def weights(self) -> Weights:
        """Return the layer.

        Raises
        ------
        ValueError
            When rows are too few to determine it, or logits are not linear in the features.
        """
        if self._gram is None or self._cross is None or self._n < len(self._gram) + HELD_BACK:
            needed = "some" if self._gram is None else str(len(self._gram) + HELD_BACK)
            raise ValueError(
                f"{self._seen} images are too few to recover the classifier's weights, {needed} are needed"
            )
        # Features that never move (dead units) leave the sums singular: least squares gives them no weight.
        solved: NDArray[np.float64] = np.asarray(np.linalg.lstsq(self._gram, self._cross, rcond=1e-12)[0], np.float64)
        found = Weights(solved[:-1], solved[-1])
        features = np.concatenate([part for part, _ in self._checks]).astype(np.float64)
        logits = np.concatenate([part for _, part in self._checks]).astype(np.float64)
        error = float(np.abs(found.logits(features) - logits).max(initial=0.0))
        spread = float(logits.std())
        if error > TOLERANCE * max(spread, _TINY):
            raise ValueError(
                f"its logits are not linear in its embeddings: the recovered layer misses by {error:.3g}, where logits "
                f"vary by {spread:.3g}"
            )
        return found


def _with_one(features: NDArray[Any]) -> NDArray[np.float64]:
    return np.concatenate([features.astype(np.float64), np.ones((len(features), 1))], axis=1)
