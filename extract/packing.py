"""Which packs a dataset version lists: those that are there where they fit, else new ones in the order of the view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from cache import packs as pack_files
from cache import views
from cache.packs import read_pack
from cache.store import Store

from .sources import FileNote

Packing = Literal["auto", "reuse", "own"]
PackRow = tuple[str, int, int, int, str]
"""Columns of a pack: item id, bytes, width, height, format."""

_REUSE_SHARE = 0.5


class Seen:
    """What was seen of each image, as rows of a pack."""

    def __init__(self) -> None:
        self.rows: dict[str, PackRow] = {}

    def add(self, note: FileNote) -> None:
        """Remember an image."""
        self.rows.setdefault(note.image_id, (note.image_id, note.size, note.width, note.height, note.format))

    def filter_items(self, items: Sequence[str]) -> pl.DataFrame:
        """Return the rows of some images."""
        return pl.DataFrame([self.rows[item] for item in items], schema=pack_files.SCHEMA, orient="row")


def choose_packs(store: Store, dataset: str, table: pl.DataFrame, classes: str, packing: Packing) -> list[str]:
    """Return existing packs to list, the head's own first; for rows equal to the head's, exactly the head's.

    `auto` takes a pack of which at least half is wanted, computed already or not: a model that comes later sees whole
    packs, so that a 100-image subset of a large set would drag thousands of images through it. What that costs is at
    most one more pass over the subset.
    """
    if packing == "own":
        return []
    wanted = set(table["image_id"].to_list())
    head = views.read_head(store.disk, store.layout, dataset)
    own = list(head.packs) if head is not None else []
    if head is not None and packing == "auto" and head.classes == classes and head.table.equals(table):
        return own
    names = [name.removesuffix(".json") for name in store.disk.names(store.layout.packs) if name.endswith(".json")]
    chosen: list[str] = []
    covered: set[str] = set()
    for pack in [*own, *(name for name in names if name not in own)]:
        items = set(read_pack(store.disk, store.layout, pack).items)
        gain = (items & wanted) - covered
        worth = len(gain) >= _REUSE_SHARE * len(items)
        if gain and (worth or packing == "reuse"):
            chosen.append(pack)
            covered |= gain
    return chosen
