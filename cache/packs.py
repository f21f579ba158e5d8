"""Packs: ordered lists of item ids, the unit in which work is cut.

A pack is global: any dataset version may list it, so that an image in two datasets is extracted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from .documents import damaged, seal
from .files import Disk
from .key import pack_id
from .layout import Layout
from .reading import FileFacts, fields_of, read_document, read_table
from .writing import Stage, create, create_table

PACK_SIZE = 4096
"""Most items of a pack; `index --pack-size` changes it."""

SCHEMA = {
    "item_id": pl.String,
    "nbytes": pl.Int64,
    "width": pl.Int32,
    "height": pl.Int32,
    "format": pl.String,
}


@dataclass(frozen=True, slots=True)
class Pack:
    """An ordered list of item ids with what was seen of each when it was indexed."""

    id: str
    items: tuple[str, ...]
    table: pl.DataFrame


def write_pack(staged: Stage, items: str, table: pl.DataFrame) -> str:
    """Store a pack and return its id.

    Parameters
    ----------
    items
        What it lists: `image`, `text`, `pair` or `head`.
    table
        Columns of `SCHEMA`, in pack order.

    Raises
    ------
    ValueError
        When it lists nothing, or an item twice.
    IntegrityError
        When the pack stands there already and is damaged.
    """
    ids = table["item_id"].to_list()
    if not ids or len(set(ids)) != len(ids):
        raise ValueError(f"a pack lists at least one item, each once; got {len(ids)} with {len(set(ids))} distinct")
    disk, layout = staged.disk, staged.layout
    pack = pack_id(ids)
    path = layout.pack(pack)
    if disk.status(path) is not None:
        return read_pack(disk, layout, pack).id
    typed = table.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    facts = create_table(staged, path.with_suffix(".parquet"), typed, lambda held: _ids(held) == ids)
    create(staged, path, seal("pack", {"id": pack, "items": items, "n": len(ids), "table": facts.to_json()}))
    return read_pack(disk, layout, pack).id


def _ids(table: pl.DataFrame) -> list[str]:
    return table["item_id"].to_list() if "item_id" in table.columns else []


def read_pack(disk: Disk, layout: Layout, pack: str) -> Pack:
    """Return a pack whose items were compared with its name.

    Raises
    ------
    IntegrityError
        When it is missing or damaged.
    """
    path = layout.pack(pack)
    where = layout.relative(path)
    body = read_document(disk, path, "pack", where)
    rows = path.with_suffix(".parquet")
    with fields_of(where):
        table = read_table(disk, rows, FileFacts.from_json(body["table"]), layout.relative(rows))
        ids: Sequence[str] = table["item_id"].to_list()
        if body["id"] != pack or body["n"] != len(ids) or pack_id(ids) != pack:
            raise damaged(where, "is the pack of other items than its name says")
    return Pack(pack, tuple(ids), table)
