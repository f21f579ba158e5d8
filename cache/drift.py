"""How far two spaces are apart on the items that both hold: the same model on two machines, libraries or dtypes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .documents import Document
from .errors import IncompleteError
from .layout import IMAGE_KINDS
from .reader import Reader
from .spaces import Space
from .store import Store


@dataclass(frozen=True, slots=True)
class Drift:
    """The difference of two spaces in one kind.

    items
        Rows that both hold with numbers.
    max_abs
        Largest difference of two numbers; in units of the kind.
    mean_cosine, min_cosine
        Cosine similarity of an item's two rows, in [-1, 1].
    top1_flips
        Items whose largest column differs; None for kinds without columns that mean classes.
    """

    kind: str
    items: int
    max_abs: float
    mean_cosine: float
    min_cosine: float
    top1_flips: int | None

    def to_json(self) -> Document:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


def row_cosines(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cosine similarity of each pair of rows; two zero rows are equal, one is orthogonal.

    Examples
    --------
    >>> row_cosines(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[4.0, 3.0], [0.0, 0.0]])).round(2).tolist()
    [0.96, 1.0]
    """
    a = first.reshape(len(first), -1).astype(np.float64)
    b = second.reshape(len(second), -1).astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines: NDArray[np.float64] = (a == b).all(axis=1).astype(np.float64)
    np.divide((a * b).sum(axis=1), norms, out=cosines, where=norms > 0)
    return cosines


def drift(store: Store, first: Space, second: Space) -> list[Drift]:
    """Compare two spaces, kind by kind, with memory bounded by two segments.

    Raises
    ------
    IncompleteError
        When they share no item of any kind with rows of one shape.
    """
    reader = Reader(store)
    found = [drift for kind in IMAGE_KINDS if (drift := _of_kind(reader, kind, first, second)) is not None]
    if not found:
        raise IncompleteError(
            f"{first.label} and {second.label} hold no item in common with rows of one shape. "
            "`assay-extract run` both models on one dataset; `assay-cache ls` shows what is there."
        )
    return found


def _of_kind(reader: Reader, kind: str, first: Space, second: Space) -> Drift | None:
    places = reader.places(kind, second)
    largest, flips, cosines = 0.0, 0, []
    for items, ours in _segments(reader, kind, first):
        shared = [row for row, item in enumerate(items) if item in places]
        if not shared:
            continue
        theirs = reader.gather(kind, second, [places[items[row]] for row in shared])
        ours = ours[shared]
        if ours.shape != theirs.shape:
            return None
        finite = np.isfinite(ours).reshape(len(ours), -1).all(axis=1)
        finite &= np.isfinite(theirs).reshape(len(theirs), -1).all(axis=1)
        a, b = ours[finite], theirs[finite]
        largest = max(largest, float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0)))
        flips += int((a.argmax(axis=-1) != b.argmax(axis=-1)).sum()) if kind == "logits" else 0
        cosines.append(row_cosines(a, b))
    every = np.concatenate(cosines) if cosines else np.empty(0)
    if not every.size:
        return None
    top1 = flips if kind == "logits" else None
    return Drift(kind, every.size, largest, float(every.mean()), float(every.min()), top1)


def _segments(reader: Reader, kind: str, space: Space) -> Iterator[tuple[tuple[str, ...], NDArray[Any]]]:
    seen: set[str] = set()
    for pack in reader.committed(kind, space.label):
        items = reader.pack(pack).items
        for start, values in reader.segments(reader.unit(kind, space, pack)):
            part = items[start : start + len(values)]
            # An image in two packs is compared once.
            fresh = [row for row, item in enumerate(part) if item not in seen]
            seen.update(part)
            yield tuple(part[row] for row in fresh), values[fresh]
