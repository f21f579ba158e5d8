"""What a layout yields: samples with a place and the words that say their class. No hashing, no class indices."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".gif", ".webp", ".tif", ".tiff"})
"""File name endings that are taken for images; other files are counted and left alone."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample before hashing.

    sample
        Unique name within the dataset: the path below the root, with `/`.
    path
        Where the file is; None for a sample that is only listed.
    keys
        Any of `class_index`, `wnid`, `label`: what the source says of the class.
    extra
        The set's own columns.
    """

    sample: str
    path: Path | None
    keys: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was found and not taken, and why."""

    sample: str
    why: str


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort numbers inside names by value: "2" before "10".

    Examples
    --------
    >>> sorted(["10", "1", "2", "b"], key=natural_key)
    ['1', '2', '10', 'b']
    """
    parts = re.split(r"(\d+)", text)
    # Digits beyond ASCII (superscripts, other scripts) are letters here: int() refuses some of them.
    return tuple((0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part)


def image_files(root: Path, follow_links: bool) -> Iterator[Path | Refused]:
    """Yield the image files below a folder in natural order; links that leave it are refused unless wanted."""
    inside = root.resolve()
    for path in _walk(root, None if follow_links else inside, frozenset({inside})):
        leaves = not follow_links and not path.resolve().is_relative_to(inside)
        if path.suffix.lower() not in SUFFIXES and not (leaves and path.is_dir()):
            continue
        sample = path.relative_to(root).as_posix()
        if not _is_text(sample):
            yield Refused(sample.encode("utf-8", "replace").decode(), "its name is not valid Unicode; rename it")
        elif leaves:
            yield Refused(sample, "a link that leaves --root (--follow-links takes such files)")
        elif not path.is_file():
            yield Refused(sample, "not a file that can be opened")
        else:
            yield path


def _is_text(name: str) -> bool:
    # Linux takes any bytes for a name; the store keeps names as UTF-8.
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _walk(folder: Path, inside: Path | None, above: frozenset[Path]) -> Iterator[Path]:
    """Yield the files below a folder, and linked folders that leave `inside`, which are not entered."""
    for entry in sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name)):
        path = Path(entry.path)
        if not entry.is_dir():
            yield path
            continue
        real = path.resolve()
        if inside is not None and not real.is_relative_to(inside):
            yield path
        elif real not in above:
            # A link to a folder that is being walked already would go round for ever.
            yield from _walk(path, inside, above | {real})
