"""The ImageNet validation set: `<wnid>/<file>`, or one flat folder with a file that says the classes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from manifests.errors import UsageError

from .annotation_file import IMAGENET_X, annotation
from .entries import Ask, Entry, Found
from .folder import read_folder
from .tree import files_of, images, parent, some_images

WNID = re.compile(r"n\d{8}")
VAL_NAME = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG", re.IGNORECASE)


def val_name(number: int) -> str:
    """Return the official name of the n-th validation image, n from 1.

    Examples
    --------
    >>> val_name(1)
    'ILSVRC2012_val_00000001.JPEG'
    """
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def read_imagenet_wnid(ask: Ask) -> Iterator[Found]:
    """Yield `<wnid>/<file>`; the sub-folder is the class, whatever the order of the folders."""
    if ask.files is None:
        yield from _listed(ask)
        return
    files = ask.files
    yield from files.refused
    for at, key in images(files):
        parts = key.split("/")
        if len(parts) < 2:
            raise UsageError(
                f"layout imagenet-val-wnid expects {files.where}/<wnid>/<file>, got {key} directly in the folder. "
                "A flat folder is layout imagenet-val-flat, with --labels FILE (columns file,wnid)."
            )
        if "train" in parts[:-2]:
            raise UsageError(
                f"{files.where} holds {key}, an image of the training set; give the folder `val` as --root."
            )
        yield Entry(key, files.place(at), {"wnid": parts[-2]}, listed_as=parts[-1])


def read_imagenet_flat(ask: Ask) -> Iterator[Found]:
    """Yield the flat folder of ILSVRC2012_val_*.JPEG, which says nothing of classes itself."""
    if ask.files is None:
        yield from _listed(ask)
        return
    if ask.labels is None:
        raise UsageError(
            "layout imagenet-val-flat needs --labels FILE with the columns file,wnid (or file,class_index). "
            "The devkit's ground truth counts classes 1..1000 in its own order, which is not the order of any model."
        )
    for found in read_folder(ask):
        if isinstance(found, Entry):
            yield Entry(found.sample, found.place, found.keys, found.extra, listed_as=found.sample.rsplit("/", 1)[-1])
        else:
            yield found


def _listed(ask: Ask) -> Iterator[Found]:
    """Yield all 50,000 images without one of them being here."""
    if ask.labels is not None:
        for name, row in ask.labels.items():
            yield Entry(name, None, row.keys, row.extra, listed_as=name.rsplit("/", 1)[-1])
        return
    data, where = annotation(ask, "filename_label.csv", IMAGENET_X)
    for line, said in enumerate(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")), 2):
        official, label = said.get("file_name"), said.get("label")
        if not official or label is None:
            raise UsageError(f"{where} line {line}: expected the columns file_name,label, got {said}.")
        yield Entry(official, None, {"class_index": label.strip()}, listed_as=official)


def fits_wnid(ask: Ask) -> bool:
    """Whether images lie in folders that are called as WordNet ids are."""
    return ask.files is not None and all(WNID.fullmatch(parent(key)) for key in some_images(ask.files))


def fits_flat(ask: Ask) -> bool:
    """Whether validation images lie in no such folders."""
    if ask.files is None:
        return True
    keys = some_images(files_of(ask, "imagenet-val-flat"))
    return not any(WNID.fullmatch(parent(key)) for key in keys)
