"""Rows by item and not by view: where an item's numbers may stand besides its own name, and picking them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .documents import damaged
from .positions import VIRTUAL, Place
from .store import Store


def listed_places(store: Store, images: Sequence[str], places: Mapping[str, Place]) -> dict[str, Place]:
    """Return the places of images whose numbers stand under the ids by which they were listed before.

    Parameters
    ----------
    places
        Pack and row of every item that has numbers.
    """
    wanted = set(images)
    found: dict[str, Place] = {}
    for name in store.datasets():
        table = store.version(name).table
        if VIRTUAL in table.columns:
            for image, virtual in table.select("image_id", VIRTUAL).rows():
                if image in wanted and virtual in places:
                    found.setdefault(image, places[virtual])
    return found


def gather(
    places: Sequence[Place],
    parts: Callable[[str], Iterator[tuple[int, NDArray[Any]]]],
    where: Callable[[str], str],
) -> NDArray[Any]:
    """Return the rows at places, in their order, each part of a pack read once.

    Parameters
    ----------
    parts
        Yields first row and rows of each part of a pack.
    where
        How messages name the record of a pack.

    Raises
    ------
    IntegrityError
        When packs hold rows of different shapes or types.
    """
    out: NDArray[Any] | None = None
    by_pack: dict[str, list[int]] = {}
    for at, (pack, _) in enumerate(places):
        by_pack.setdefault(pack, []).append(at)
    for pack, positions in by_pack.items():
        at_rows = np.asarray(positions)
        picked = np.asarray([places[at][1] for at in positions])
        for start, values in parts(pack):
            chosen = (picked >= start) & (picked < start + len(values))
            if out is None:
                out = np.empty((len(places), *values.shape[1:]), values.dtype)
            if values.shape[1:] != out.shape[1:] or values.dtype != out.dtype:
                ours, theirs = f"{values.shape[1:]} {values.dtype}", f"{out.shape[1:]} {out.dtype}"
                raise damaged(where(pack), f"rows of shape {ours}, other packs {theirs}")
            out[at_rows[chosen]] = values[picked[chosen] - start]
    if out is None:
        raise ValueError("expected at least one place, got none")
    return out
