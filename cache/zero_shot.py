"""Logits of a zero-shot model as a view: embeddings times a stored head, in float32.

Arrays in, arrays out; which head is the reader's business.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def class_weights(features: NDArray[Any], rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Return the columns of a head, `(d, c)` float32 of unit length, from the features of sentences.

    Each feature is normalised, those of a class are averaged, and the mean is normalised again (OpenAI's notebook;
    open_clip's and CLIP_benchmark's builders do the same). A sentence that stands twice counts twice.

    Parameters
    ----------
    features
        `(n, d)` features of sentences, un-normalised.
    rows
        For each class the rows of its sentences.

    Raises
    ------
    ValueError
        When a class has no sentence, or a feature or mean has no direction.

    Examples
    --------
    >>> class_weights(np.array([[2.0, 0.0], [0.0, 5.0]]), [[0], [0, 1]]).round(3).tolist()
    [[1.0, 0.7070000171661377], [0.0, 0.7070000171661377]]
    """
    if features.ndim != 2 or not rows:
        raise ValueError(f"expected features (n, d) and at least one class, got {features.shape} and {len(rows)}")
    out = np.empty((features.shape[1], len(rows)), np.float32)
    for column, of_class in enumerate(rows):
        if not len(of_class):
            raise ValueError(f"class {column} has no sentence")
        own = np.asarray(features[np.asarray(of_class)], np.float64)
        mean = (own / _lengths(own, column)).mean(axis=0, keepdims=True)
        out[:, column] = (mean / _lengths(mean, column))[0]
    return out


def _lengths(vectors: NDArray[np.float64], column: int) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError(f"a feature of class {column} is zero or not finite, so it has no direction")
    return lengths
