"""What an array must be before anything is measured on it: shape, type, range, no NaN.

Pure checks that raise `ValueError` with what was expected, what came, and where. Knows nothing of models, datasets or
files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.floating[Any]]

# Probabilities computed in float32 may end a rounding error above 1.
PROBABILITY_SLACK = 1e-6
ROWS_NAMED = 5


def _rows_text(rows: NDArray[np.intp]) -> str:
    shown = ", ".join(str(row) for row in rows[:ROWS_NAMED])
    return f"{len(rows)} row(s), at {shown}{', ...' if len(rows) > ROWS_NAMED else ''}"


def require_finite(values: NDArray[Any], name: str, first_row: int = 0) -> None:
    """Raise unless every number is finite; the message counts rows from `first_row`."""
    finite = np.isfinite(values)
    if not finite.all():
        rows = np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1)) + first_row
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity in {_rows_text(rows)}")


def float_array(values: ArrayLike, name: str, ndim: int) -> Matrix:
    """An array of `ndim` axes, none empty; floating types are kept, integers and booleans become float64."""
    array = np.asarray(values)
    if array.ndim != ndim or array.size == 0:
        shape = "(n, c)" if ndim == 2 else "(n,)"
        raise ValueError(f"{name}: expected shape {shape} without an empty axis, got {array.shape}")
    if not (np.issubdtype(array.dtype, np.floating) or array.dtype.kind in "iub"):
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def logit_matrix(logits: ArrayLike) -> Matrix:
    """Logits as a matrix (n, c). Finiteness is left to the pass over row blocks, which reads every number anyway."""
    return float_array(logits, "logits", 2)


def label_vector(labels: ArrayLike, n: int, c: int) -> NDArray[np.intp]:
    """Labels as n class indices in [0, c)."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"labels: expected shape ({n},), one a row of logits, got {array.shape}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"labels: expected integer class indices, got dtype {array.dtype}")
    outside = (array < 0) | (array >= c)
    if outside.any():
        rows = np.flatnonzero(outside)
        raise ValueError(f"labels: expected class indices 0 to {c - 1}, got {array[rows[0]]} in {_rows_text(rows)}")
    return array.astype(np.intp, copy=False)


def finite_vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """A non-empty vector (n,) of finite float64."""
    vector = float_array(values, name, 1).astype(np.float64, copy=False)
    require_finite(vector, name)
    return vector


def probabilities(values: Matrix, name: str, first_row: int = 0) -> NDArray[np.float64]:
    """Finite float64 in [0, 1]; what lies outside by a rounding error is put on the border."""
    array = values.astype(np.float64, copy=False)
    require_finite(array, name, first_row)
    if array.min() < 0 or array.max() > 1:
        outside = (array < -PROBABILITY_SLACK) | (array > 1 + PROBABILITY_SLACK)
        if outside.any():
            rows = np.flatnonzero(outside.reshape(len(array), -1).any(axis=1)) + first_row
            found = array[outside][0]
            raise ValueError(f"{name}: expected numbers in [0, 1], got {found:g} in {_rows_text(rows)}")
        array = np.clip(array, 0.0, 1.0)
    return array


def confidence_and_correct(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidences in [0, 1] and outcomes as 0.0 or 1.0, of one length (n,)."""
    conf = probabilities(float_array(confidence, "confidence", 1), "confidence")
    hits = np.asarray(correct)
    if hits.shape != conf.shape:
        raise ValueError(f"correct: expected shape {conf.shape}, one a confidence, got {hits.shape}")
    if hits.dtype.kind not in "biuf" or not np.isin(hits, (0, 1)).all():
        raise ValueError(
            f"correct: expected only True and False (or 1 and 0), got dtype {hits.dtype} with other values"
        )
    return conf, hits.astype(np.float64)


def open_fraction(value: float, name: str) -> float:
    """A number strictly between 0 and 1, such as a confidence level."""
    if not 0 < value < 1:
        raise ValueError(f"{name}: expected a fraction strictly between 0 and 1, got {value!r}")
    return float(value)


def bin_count(bins: int) -> int:
    """A number of bins, at least 1."""
    if bins < 1 or bins != int(bins):
        raise ValueError(f"bins: expected a whole number of at least 1, got {bins!r}")
    return int(bins)
