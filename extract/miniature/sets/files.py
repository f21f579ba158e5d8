"""What every set does: take its share, draw, and write pictures and the lists beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from numpy.random import RandomState

from extract.miniature.bitmap import write
from extract.miniature.draw import draw
from extract.miniature.scene import Scene

Write: TypeAlias = Callable[[Path, RandomState, int], None]
"""(folder, generator, share) -> nothing: writes a set, or the share-th part of it."""

T = TypeVar("T")


def part(count: int, share: int) -> int:
    """Return the share-th part of a number of images, at least one.

    Raises
    ------
    ValueError
        For a share below 1.

    Examples
    --------
    >>> part(40, 1), part(40, 20), part(10, 20)
    (40, 2, 1)
    """
    if share < 1:
        raise ValueError(f"share: expected at least 1, got {share}")
    return max(1, count // share)


def one_of(rng: RandomState, options: Sequence[T]) -> T:
    """Draw one of several values, all equally likely."""
    return options[int(rng.randint(len(options)))]


def between(rng: RandomState, low: int, high: int) -> int:
    """Draw a whole number from `low` to `high`, both included."""
    return int(rng.randint(low, high + 1))


def picture(path: Path, scene: Scene) -> None:
    """Draw a scene and write it."""
    write(path, draw(scene))


def json_file(path: Path, value: Any) -> None:
    """Write JSON, the same bytes for the same value."""
    text_file(path, [json.dumps(value, indent=1, sort_keys=True)])


def text_file(path: Path, lines: Sequence[str]) -> None:
    """Write lines that end as on Unix, on every machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
