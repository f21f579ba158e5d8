"""Generic folder: class sub-folders, a flat folder, or any tree with a labels file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from extract.containers.list_file import open_list
from manifests.errors import UsageError

from .entries import Ask, Entry, Found, Refused
from .labels_file import read_labels
from .tree import files_of, images


def read_folder(ask: Ask) -> Iterator[Found]:
    """Yield the images of a container in its order.

    With --labels, its rows decide what belongs. Else what the container itself says of a class (webdataset's `.cls`,
    a label column) is the class; else the first sub-folder, and files that lie directly in the root have none.

    Raises
    ------
    UsageError
        When the labels file and the container do not name the same files, or class numbers come without their list.
    """
    files = files_of(ask, "folder")
    labels = ask.labels
    seen = {refused.sample for refused in files.refused}
    for at, key in images(files):
        seen.add(key)
        if labels is None:
            yield Entry(key, files.place(at), _keys(ask, files.label(at), key), files.extra(at))
        elif (row := labels.get(key)) is not None:
            yield Entry(key, files.place(at), row.keys, row.extra)
        else:
            yield Refused(key, "not in the labels file")
    yield from files.refused
    if labels is not None and (missing := [name for name in labels if name not in seen]):
        raise UsageError(
            f"--labels names {len(missing)} file(s) that are not below {files.where}, the first is row "
            f"{labels[missing[0]].line}: {missing[0]!r}. `file` is the path relative to --root, with `/`."
        )


def _keys(ask: Ask, said: Mapping[str, str], key: str) -> Mapping[str, str]:
    if "class_index" in said and not ask.label_space and (ask.manifest is None or not ask.manifest.label_space):
        raise UsageError(
            f"{key} is of class number {said['class_index']}, and nothing says which list that counts. Name it with "
            "--label-space, or give --labels FILE (columns file,label)."
        )
    return said or ({"label": key.split("/")[0]} if "/" in key else {})


def read_listing(listing: Path, root: Path | None) -> Iterator[Found]:
    """Yield the samples of a listing in its own order; without a root they are virtual (listed, not here)."""
    if root is None:
        for sample, row in read_labels(listing, need_class=False).items():
            yield Entry(sample, None, row.keys, row.extra)
        return
    files = open_list(listing, root)
    for at in range(len(files)):
        yield Entry(files.key(at), files.place(at), files.label(at), files.extra(at))
    yield from files.refused
