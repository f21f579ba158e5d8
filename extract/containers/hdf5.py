"""HDF5 files of encoded images: one dataset a file in a tree of groups, or one array with a row an image.

* Tree: every leaf is a one-dimensional uint8 dataset (or an opaque or byte-string scalar), its path is the name.
* Rows: `images` (or `image`, `bytes`, `data`) holds variable-length uint8 or byte strings; `keys` (or `names`, `files`,
  `paths`) names the rows, `labels` (or `label`, `wnids`) says their class.

Pixel arrays are refused: an image's name is the hash of its encoded bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from manifests.errors import UsageError

from .archive import Archive
from .names import Refused
from .protocol import Container, Place
from .rows import Row, Rows, row_name

_IMAGES = ("images", "image", "bytes", "data")
_NAMES = ("keys", "names", "files", "paths")
_LABELS = ("labels", "label", "wnids")


def open_hdf5(path: Path) -> Container:
    """Open an HDF5 file of encoded images.

    Raises
    ------
    UsageError
        When h5py is not installed, or the file is none of the two shapes.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise UsageError(f"{path}: HDF5 needs h5py; `pip install 'clip-assay[extract]'`") from error
    try:
        with h5py.File(path, "r") as file:
            for name in _IMAGES:
                if isinstance(file.get(name), h5py.Dataset):
                    return _rows(path, file, name)
            return Archive(path.stem, str(path), list(_leaves(path, file, h5py)), unwrap=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read as HDF5 ({error}); copy or download it again.") from error


def _leaves(path: Path, file: Any, h5py: Any) -> Iterator[tuple[str, Place | str]]:
    absolute = str(path.absolute())
    names: list[str] = []
    # Links of the file's own are not followed by visititems, and external ones never.
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in names:
        dataset = file[name]
        encoded = dataset.dtype == np.uint8 and dataset.ndim == 1
        scalar = dataset.ndim == 0 and dataset.dtype.kind in "OSV"
        if not encoded and not scalar:
            yield name, _pixels(dataset)
        elif encoded and (offset := dataset.id.get_offset()) is not None:
            yield name, Place(absolute, offset, dataset.size)
        else:
            yield name, Place(absolute, 0, -1, f"hdf5::{name}")


def _pixels(dataset: Any) -> str:
    return (
        f"an array of {dataset.dtype} and shape {dataset.shape}, expected the bytes of an encoded image; "
        "images are named by those, so write them as PNG first"
    )


def _rows(path: Path, file: Any, name: str) -> Rows:
    dataset = file[name]
    variable = dataset.dtype.kind == "O" or dataset.dtype.kind == "V"
    if dataset.ndim != 1 or not variable:
        raise UsageError(f"{path}: {name} is {_pixels(dataset)}.")
    keys = _beside(path, file, _NAMES, len(dataset))
    labels = _beside(path, file, _LABELS, len(dataset))
    absolute = str(path.absolute())
    rows, refused = [], []
    for at in range(len(dataset)):
        key = keys[at] if keys else row_name(at)
        if key.startswith("/") or ".." in key.split("/"):
            refused.append(Refused(key, f"row {at}: its name leads out of the file"))
            continue
        label = {} if not labels else {"class_index" if labels[at].isdigit() else "label": labels[at]}
        rows.append(Row(key, Place(absolute, 0, -1, f"hdf5:{at}:{name}"), label))
    return Rows(path.stem, str(path), rows, refused)


def _beside(path: Path, file: Any, names: tuple[str, ...], count: int) -> list[str]:
    for name in names:
        if name in file:
            values = file[name][()]
            if len(values) != count:
                raise UsageError(f"{path}: {name} has {len(values)} rows, expected one an image ({count}).")
            return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]
    return []
