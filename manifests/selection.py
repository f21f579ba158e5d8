"""Choosing entries by id, comma-separated ids and globs: one rule for every command and every study.

Knows ids only; what they stand for is the caller's.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from .errors import UsageError

T = TypeVar("T")


def split_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Cut repeated, comma-separated options into single patterns.

    Raises
    ------
    UsageError
        If an option holds no pattern at all.

    Examples
    --------
    >>> split_patterns(["a, b*", "c,"])
    ('a', 'b*', 'c')
    """
    pieces: list[str] = []
    for option in patterns:
        found = [piece.strip() for piece in option.split(",") if piece.strip()]
        if not found:
            raise UsageError(f"expected an id or a pattern such as 'ViT-*', got {option!r}")
        pieces += found
    return tuple(pieces)


def is_glob(pattern: str) -> bool:
    """Whether a pattern can match more than the id that it spells.

    Examples
    --------
    >>> is_glob("ViT-*"), is_glob("imagenet-val")
    (True, False)
    """
    return any(character in pattern for character in "*?[")


def matching(ids: Iterable[str], pattern: str) -> tuple[str, ...]:
    """The ids that one pattern matches, sorted; letter case counts on every system.

    Examples
    --------
    >>> matching(["RN50", "ViT-B-32", "rn50"], "RN*")
    ('RN50',)
    """
    return tuple(sorted(name for name in ids if fnmatchcase(name, pattern)))


def no_match(ids: Iterable[str], pattern: str, what: str) -> str:
    """Say that nothing matches, what comes nearest (up to three ids), and how to see all.

    Examples
    --------
    >>> no_match(["RN50", "RN101"], "rn5", "models")
    "no models match 'rn5'; the nearest ids are RN50, RN101; `assay-extract list models` shows all"
    """
    by_lower = {name.lower(): name for name in sorted(ids)}
    close = difflib.get_close_matches(pattern.lower(), by_lower, n=3, cutoff=0.0)
    nearest = f"the nearest ids are {', '.join(by_lower[name] for name in close)}" if close else "there are none"
    return f"no {what} match {pattern!r}; {nearest}; `assay-extract list {what}` shows all"


def select(mapping: Mapping[str, T], patterns: Sequence[str], what: str) -> tuple[T, ...]:
    """The entries that any of the patterns matches.

    Parameters
    ----------
    mapping
        Entries by id.
    patterns
        Ids and globs, alone or several with commas between; no pattern selects nothing.
    what
        The word of ``assay-extract list`` for this mapping: models, datasets, prompts or studies.

    Returns
    -------
    tuple
        In the order of sorted ids, each entry once.

    Raises
    ------
    UsageError
        For the patterns that match nothing, all of them at once.

    Examples
    --------
    >>> select({"b": 2, "a": 1, "c": 3}, ["c,a*", "a"], "models")
    (1, 3)
    """
    chosen: set[str] = set()
    complaints: list[str] = []
    for pattern in split_patterns(patterns):
        found = matching(mapping, pattern)
        if not found:
            complaints.append(no_match(mapping, pattern, what))
        chosen.update(found)
    if complaints:
        raise UsageError("\n".join(complaints))
    return tuple(mapping[name] for name in sorted(chosen))
