"""Arrays of numbers, .npy, .npz or .h5, as rows. Objects are never read, since that would run what the file says."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UsageError

from .rows import Kind, Rows
from .sources import Source
from .tables import CLASS, PROBABILITY

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
_SAMPLE = "sample"
_BROKEN = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def array_rows(source: Source, kind: Kind) -> Rows:
    """Return the rows of a file of arrays.

    `.npy` is the numbers alone, in the order of the dataset's samples. `.npz` and `.h5` hold an array named as the
    kind (predictions: `predicted_class` and `predicted_probability`) and may hold `sample`.

    Raises
    ------
    UsageError
        When the file cannot be read, or holds something else.
    """
    main = CLASS if kind == "predictions" else kind
    held = {".npy": _npy, ".npz": _npz}.get(source.suffix, _h5)(source, main)
    if main not in held:
        raise UsageError(f"{source.name}: expected an array {main}; it holds {', '.join(sorted(held)) or 'none'}.")
    array = held[main]
    shape = 1 if kind == "predictions" else 2
    if array.ndim != shape or array.dtype.kind not in "iuf" or not array.size:
        raise UsageError(
            f"{source.name}: expected {main} to be numbers of shape ({'n' if shape == 1 else 'n, c'}); got "
            f"{array.dtype} {array.shape}."
        )
    samples = _names(source, held[_SAMPLE], len(array)) if _SAMPLE in held else None
    if kind != "predictions":
        return Rows(where=source.name, samples=samples, values=array)
    probability = held.get(PROBABILITY)
    if probability is not None and (probability.shape != array.shape or probability.dtype.kind != "f"):
        raise UsageError(
            f"{source.name}: expected one {PROBABILITY} a row, got {probability.dtype} {probability.shape}."
        )
    return Rows(
        where=source.name,
        samples=samples,
        classes=array.astype(np.float64),
        probability=None if probability is None else probability.astype(np.float64),
    )


def _npy(source: Source, main: str) -> Mapping[str, NDArray[Any]]:
    try:
        array = np.load(io.BytesIO(source.data), allow_pickle=False)
    except _BROKEN as error:
        raise _unreadable(source, error) from error
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{source.name} holds several arrays; name it .npz.")
    return {main: array}


def _npz(source: Source, main: str) -> Mapping[str, NDArray[Any]]:
    try:
        opened = np.load(io.BytesIO(source.data), allow_pickle=False)
        if isinstance(opened, np.ndarray):
            return {main: opened}
        with opened:
            return {name: opened[name] for name in opened.files if name in (main, _SAMPLE, PROBABILITY)} or {
                name: np.zeros(0) for name in opened.files
            }
    except _BROKEN as error:
        raise _unreadable(source, error) from error


def _h5(source: Source, main: str) -> Mapping[str, NDArray[Any]]:
    try:
        import h5py
    except ModuleNotFoundError:
        raise UsageError(f"{source.name} needs h5py, which is not installed: `pip install h5py`.") from None
    try:
        with h5py.File(io.BytesIO(source.data), "r") as file:
            held = {}
            for name in file:
                if name not in (main, _SAMPLE, PROBABILITY):
                    continue
                item = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
                # A link may lead to another file, and so may the storage of a data set.
                if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                    raise UsageError(f"{source.name}: {name} is not stored in this file itself.")
                text = h5py.check_string_dtype(item.dtype) is not None
                held[name] = np.asarray(item.asstr()[:]).astype(str) if text else np.asarray(item[()])
            return held or {name: np.zeros(0) for name in file}
    except (*_BROKEN, TypeError, RuntimeError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Source, error: Exception) -> UsageError:
    return UsageError(
        f"{source.name} cannot be read as {source.suffix.removeprefix('.')} ({error}). Arrays of Python objects are "
        "refused; save numbers, and names as text."
    )


def _names(source: Source, array: NDArray[Any], n: int) -> tuple[str, ...]:
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.shape != (n,) or array.dtype.kind != "U":
        raise UsageError(f"{source.name}: expected one name a row in {_SAMPLE}, got {array.dtype} {array.shape}.")
    return tuple(array.tolist())
