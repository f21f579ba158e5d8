"""Logits of a zero-shot model as a view: embeddings times a stored head, in float32.

Arrays in, arrays out; which head is the reader's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Head:
    """A zero-shot classifier.

    weights
        `(d, c)` float32, columns of unit length.
    scale, bias
        The model's learned logit scale (already exponentiated) and bias (0 where it has none).
    """

    weights: NDArray[np.float32]
    scale: float
    bias: float


def cosines(embeddings: NDArray[Any], head: Head) -> NDArray[np.float32]:
    """Return cosine similarities `(n, c)` of un-normalised embeddings `(n, d)` and a head's classes.

    Examples
    --------
    >>> head = Head(np.eye(2, dtype=np.float32), scale=100.0, bias=0.0)
    >>> cosines(np.array([[3.0, 4.0]], np.float32), head).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    rows = np.asarray(embeddings, np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    result: NDArray[np.float32] = (rows / norms) @ head.weights
    return result


def zero_shot_logits(embeddings: NDArray[Any], head: Head) -> NDArray[np.float32]:
    """Return logits `scale * cosine + bias`, `(n, c)` float32.

    Examples
    --------
    >>> head = Head(np.eye(2, dtype=np.float32), scale=10.0, bias=-1.0)
    >>> zero_shot_logits(np.array([[0.0, 2.0]], np.float32), head).tolist()
    [[-1.0, 9.0]]
    """
    result: NDArray[np.float32] = np.float32(head.scale) * cosines(embeddings, head) + np.float32(head.bias)
    return result
