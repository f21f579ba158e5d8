"""ObjectNet 1.0: `images/<folder>/<hash>.png`, with the classes that ImageNet has in `mappings/`."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.errors import UsageError

from .entries import Ask, Entry, Found
from .tree import below, files_of, images, positions, read_json

FOLDERS = "mappings/folder_to_objectnet_label.json"
OVERLAP = "mappings/objectnet_to_imagenet_1k.json"


def read_objectnet(ask: Ask) -> Iterator[Found]:
    """Yield every image; those of folders that ImageNet has no class for carry no label.

    Raises
    ------
    UsageError
        When the mappings are missing, or know a folder not.
    """
    files = files_of(ask, "objectnet")
    prefix = below(files, FOLDERS)
    at_of = positions(files)
    if prefix is None or prefix + OVERLAP not in at_of:
        raise UsageError(
            f"layout objectnet expects {files.where}/images/ and {files.where}/mappings/ with {FOLDERS.split('/')[1]} "
            f"and {OVERLAP.split('/')[1]}, as the archive has them; --root is the folder that holds both."
        )
    label_of = read_json(files, at_of[prefix + FOLDERS])
    overlap = read_json(files, at_of[prefix + OVERLAP])
    if not isinstance(label_of, dict) or not isinstance(overlap, dict):
        raise UsageError(f"{files.where}/{prefix}mappings: expected JSON objects.")
    yield from files.refused
    keys: dict[str, dict[str, str]] = {}
    for at, key in images(files):
        parts = key.removeprefix(prefix).split("/")
        if len(parts) != 3 or parts[0] != "images":
            raise UsageError(f"layout objectnet expects images/<folder>/<file>, got {key!r} below {files.where}.")
        folder = parts[1]
        if folder not in label_of:
            raise UsageError(f"{files.where}/{prefix}{FOLDERS} does not know the folder {folder!r} of {key!r}.")
        shared = keys.setdefault(folder, {"label": folder} if label_of[folder] in overlap else {})
        yield Entry(key.removeprefix(prefix), files.place(at), shared)
