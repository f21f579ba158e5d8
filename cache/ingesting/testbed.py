"""Logits of the ImageNet testbed: a pickle of `{"model": name, "logits": array}`, without unpickling.

A pickle is a program. This one may build dictionaries, texts and arrays of numbers; whatever else it asks for is
refused by name before it is looked up.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UsageError

from .rows import Rows
from .sources import Source
from .tables import read_table

SUFFIXES = (".pickle", ".pkl")
_NUMERIC = {f"{sort}{size}" for sort in "iuf" for size in (1, 2, 4, 8)}


def _dtype(name: str, *_: Any) -> np.dtype[Any]:
    if name not in _NUMERIC:
        raise pickle.UnpicklingError(f"an array of {name!r}, which is no type of numbers")
    return np.dtype(name)


def _reconstruct(kind: Any, shape: Any, code: Any) -> NDArray[Any]:
    # What a pickled array begins as; its state fills it.
    return np.ndarray((0,), np.int8)


def _frombuffer(data: Any, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _latin1(text: str, encoding: str) -> bytes:
    # How protocols before 3 spell bytes.
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _kind_of_array() -> None:
    raise pickle.UnpicklingError("an array that is made by calling its type")


_ADMITTED: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _kind_of_array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _latin1,
}


class _Arrays(pickle.Unpickler):
    """Reads texts, containers and arrays of numbers."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return the stand-in for what a pickle asks for."""
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ADMITTED[module, name]


_ODD = (
    *(pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError),
    *(ImportError, OverflowError, MemoryError, RecursionError, NotImplementedError),
)


def read_logits(source: Source) -> NDArray[Any]:
    """Return the logits of one pickle.

    Raises
    ------
    UsageError
        When it is no pickle, asks for anything but arrays of numbers, or holds no logits.
    """
    try:
        held = _Arrays(io.BytesIO(source.data)).load()
    except _ODD as error:
        raise UsageError(
            f"{source.name} is not a pickle of plain arrays: {error}. Nothing of it was run. Save its logits as a "
            "numpy array (.npy), and ingest that."
        ) from None
    logits = held.get("logits") if isinstance(held, dict) else None
    if not isinstance(logits, np.ndarray) or logits.ndim != 2 or not logits.size:
        raise UsageError(f"{source.name}: expected a dictionary with the array logits of shape (n, c).")
    return logits


def pickled_rows(source: Source, order: Source) -> Rows:
    """Return the logits of one pickle, with the samples in the order of a list.

    Parameters
    ----------
    order
        A CSV with the column file_name: imagenet-x's `filename_label.csv`, which goes by class and not by number.
    """
    names = read_table(order, ("file_name",), ("file_name",))["file_name"].to_list()
    values = read_logits(source)
    if len(names) != len(values):
        raise UsageError(f"{source.name} has {len(values)} rows of logits; --order {order.name} names {len(names)}.")
    return Rows(where=source.name, samples=tuple(names), values=values)
