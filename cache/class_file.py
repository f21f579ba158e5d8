"""Where a class list comes from besides a store: a label space of the manifests, or a file of the user's."""

from __future__ import annotations

from pathlib import Path

from manifests.errors import UsageError
from manifests.schema import LabelSpace

from .texts import ClassList


def class_list(space: LabelSpace) -> ClassList:
    """Return the class list of a label space of the manifests."""
    return ClassList(tuple(space.keys), tuple(space.names))


def read_classes_file(path: Path) -> ClassList:
    """Read `--classes FILE`: one class a line, in the order of the logit columns; `key<TAB>name` where they differ.

    Raises
    ------
    UsageError
        For an empty file, an empty line or a class that stands twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--classes {path} cannot be read as UTF-8 text ({error}).") from error
    pairs = [(line.split("\t", 1)[0].strip(), line.split("\t", 1)[-1].strip()) for line in lines]
    empty = [at for at, (key, _) in enumerate(pairs, 1) if not key]
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if not pairs or empty or twice:
        what = f"lines {empty} are empty" if empty else f"{twice} stand twice" if twice else "it is empty"
        raise UsageError(
            f"--classes {path}: expected one class a line (`key` or `key<TAB>name`), in logit order; {what}."
        )
    return ClassList(tuple(keys), tuple(name for _, name in pairs))
