"""Sets with a folder a class: named by WordNet id (ImageNet-R, -A, -Sketch, Stylized), or by number (ImageNet-V2)."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.errors import UsageError

from .entries import Ask, Entry, Found
from .imagenet_val import WNID
from .tree import files_of, images, parent, some_images

V2_FOLDERS = {
    "imagenet-v2-matched-frequency": "imagenetv2-matched-frequency-format-val",
    "imagenet-v2-threshold": "imagenetv2-threshold0.7-format-val",
    "imagenet-v2-top-images": "imagenetv2-top-images-format-val",
}
"""Dataset id to the folder that its archive unpacks to."""


def read_wnid_folders(ask: Ask) -> Iterator[Found]:
    """Yield `[...]/<wnid>/<file>`; the folder is the class.

    Raises
    ------
    UsageError
        When an image lies in no such folder, or such folders lie in several places (train and val).
    """
    files = files_of(ask, "wnid-folders")
    yield from files.refused
    keys: dict[str, dict[str, str]] = {}
    first = None
    for at, key in images(files):
        prefix, _, folder = key.rpartition("/")[0].rpartition("/")
        if not WNID.fullmatch(folder):
            raise UsageError(
                f"layout wnid-folders expects {files.where}/<wnid>/<file>, e.g. n01440764/x.jpg; got {key!r}. "
                "If your folders have other names, index them under a name of your own with --layout folder."
            )
        first = prefix if first is None else first
        if prefix != first:
            raise UsageError(
                f"{files.where} holds class folders in two places, {first or '.'} and {prefix or '.'}; "
                "give one as --root."
            )
        yield Entry(key, files.place(at), keys.setdefault(folder, {"wnid": folder}))


def read_imagenet_v2(ask: Ask) -> Iterator[Found]:
    """Yield `<0..999>/<file>`; the folder's name is the class index as a number, never its place among sorted names.

    A set with another label space has as many folders as that has classes.

    Raises
    ------
    UsageError
        When a folder is no such number, or the archive is that of another of the three sets.
    """
    files = files_of(ask, "imagenet-v2-folders")
    yield from files.refused
    keys: dict[str, dict[str, str]] = {}
    expected = V2_FOLDERS.get(ask.dataset, "")
    for at, key in images(files):
        parts = key.split("/")
        folder = parts[-2] if len(parts) > 1 else ""
        if not (folder.isascii() and folder.isdigit() and int(folder) < ask.count and folder == str(int(folder))):
            raise UsageError(
                f"layout imagenet-v2-folders expects {files.where}/<0..{ask.count - 1}>/<file>; got {key!r}. "
                "The folder's name is the class index."
            )
        other = {part for part in (files.name, *parts[:-2]) if part in V2_FOLDERS.values() and part != expected}
        if expected and other:
            raise UsageError(
                f"{ask.dataset} is the archive {expected}, and {key!r} of {files.where} is of {other.pop()}; "
                "the three sets have different images. Give its folder as --root."
            )
        yield Entry(key, files.place(at), keys.setdefault(folder, {"class_index": folder}))


def fits_v2(ask: Ask) -> bool:
    """Whether images lie in folders that are called as class indices are."""
    return ask.files is not None and all(parent(key).isdigit() for key in some_images(ask.files))
