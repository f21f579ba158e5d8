"""Generic folder: class sub-folders, a flat folder, or any tree with a labels file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from manifests.errors import UsageError

from .entries import Entry, Refused, image_files
from .labels_file import LabelRow


def read_folder(root: Path, labels: Mapping[str, LabelRow] | None, follow_links: bool) -> Iterator[Entry | Refused]:
    """Yield the images of a folder in natural order.

    Parameters
    ----------
    root
        The folder.
    labels
        Rows of `--labels` by relative path; without it the first sub-folder's name is the label, and files that lie
        directly in the root have none.

    Raises
    ------
    UsageError
        When the labels file and the folder do not name the same files.
    """
    seen: set[str] = set()
    for path in image_files(root, follow_links):
        if isinstance(path, Refused):
            seen.add(path.sample)
            yield path
            continue
        sample = path.relative_to(root).as_posix()
        seen.add(sample)
        if labels is None:
            folder = sample.split("/")[0] if "/" in sample else ""
            yield Entry(sample, path, {"label": folder} if folder else {})
        elif (row := labels.get(sample)) is not None:
            yield Entry(sample, path, row.keys, row.extra)
        else:
            yield Refused(sample, "not in the labels file")
    if labels is not None and (missing := [name for name in labels if name not in seen]):
        raise UsageError(
            f"--labels names {len(missing)} file(s) that are not below {root}, the first is row "
            f"{labels[missing[0]].line}: {missing[0]!r}. `file` is the path relative to --root, with `/`."
        )


def read_listing(root: Path | None, labels: Mapping[str, LabelRow]) -> Iterator[Entry | Refused]:
    """Yield the samples of a listing in its own order; without a root they are virtual (listed, not here)."""
    for sample, row in labels.items():
        if root is None:
            yield Entry(sample, None, row.keys, row.extra)
            continue
        path = root / sample
        if not path.resolve().is_relative_to(root.resolve()):
            yield Refused(sample, f"row {row.line} points outside --root")
        elif not path.is_file():
            yield Refused(sample, f"row {row.line}: there is no such file below --root")
        else:
            yield Entry(sample, path, row.keys, row.extra)


def read_imagenet_wnid(root: Path, follow_links: bool) -> Iterator[Entry | Refused]:
    """Yield `<wnid>/<file>`; the sub-folder is the class, whatever the order of the folders."""
    for path in image_files(root, follow_links):
        if isinstance(path, Refused):
            yield path
            continue
        parts = path.relative_to(root).parts
        if len(parts) < 2:
            raise UsageError(
                f"layout imagenet-val-wnid expects {root}/<wnid>/<file>, got {path.name} directly in the folder. "
                "A flat folder is layout imagenet-val-flat, with --labels FILE (columns file,wnid)."
            )
        yield Entry(path.relative_to(root).as_posix(), path, {"wnid": parts[-2]})


def read_imagenet_flat(
    root: Path, labels: Mapping[str, LabelRow] | None, follow_links: bool
) -> Iterator[Entry | Refused]:
    """Yield the flat folder of ILSVRC2012_val_*.JPEG, which says nothing of classes itself."""
    if labels is None:
        raise UsageError(
            "layout imagenet-val-flat needs --labels FILE with the columns file,wnid (or file,class_index). "
            "The devkit's "
            "ground truth counts classes 1..1000 in its own order, which is not the order of any model."
        )
    yield from read_folder(root, labels, follow_links)
