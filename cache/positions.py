"""Where the rows of a view stand in packs, whatever kind of numbers is read.

Lists and tables only: knows no record and no data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .documents import damaged
from .packs import Pack
from .views import View

Place: TypeAlias = tuple[str, int]
"""A pack and a row of it."""

Positions: TypeAlias = dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
"""For each pack: positions in a view, and the rows of the pack that stand there."""

VIRTUAL = "virtual_id"
"""The column that says under which id a sample was listed before its image was here."""


def places_of(packs: Iterable[Pack]) -> dict[str, Place]:
    """Return pack and row of every item; the first listed pack wins.

    Examples
    --------
    >>> empty = pl.DataFrame()
    >>> places_of([Pack("p", ("a", "b"), empty), Pack("q", ("b", "c"), empty)])
    {'a': ('p', 0), 'b': ('p', 1), 'c': ('q', 1)}
    """
    found: dict[str, Place] = {}
    for pack in packs:
        for row, item in enumerate(pack.items):
            found.setdefault(item, (pack.id, row))
    return found


def positions_of(view: View, packs: Sequence[Pack]) -> Positions:
    """Return where the rows of a view stand in its packs.

    Raises
    ------
    IntegrityError
        When an image of the view is in none of its packs.
    """
    place = places_of(packs)
    found: dict[str, tuple[list[int], list[int]]] = {}
    for at, image in enumerate(view.table["image_id"].to_list()):
        if image not in place:
            raise damaged(f"datasets/{view.reference}.json", f"image {image[:16]} is in none of its packs")
        pack, row = place[image]
        at_list, row_list = found.setdefault(pack, ([], []))
        at_list.append(at)
        row_list.append(row)
    return {
        pack: (np.asarray(at_list, np.int64), np.asarray(row_list, np.int64))
        for pack, (at_list, row_list) in found.items()
    }


def follow(view: View, images: Collection[str], held: Sequence[Pack]) -> View:
    """Return a view whose samples go by the ids under which they were listed, where only those have numbers.

    Parameters
    ----------
    images
        Images without numbers.
    held
        Packs with numbers that the view does not list.
    """
    place = places_of(held)
    names = [
        virtual if virtual in place and image in images else image
        for image, virtual in view.table.select("image_id", VIRTUAL).rows()
    ]
    used = {place[name][0] for name in names if name in place}
    return replace(
        view,
        table=view.table.with_columns(pl.Series("image_id", names, dtype=pl.String)),
        packs=(*view.packs, *(pack.id for pack in held if pack.id in used)),
    )
