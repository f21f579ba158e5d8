"""Packs: ordered lists of item ids, the unit in which work is cut.

A pack is global: any dataset version may list it, so that an image in two datasets is extracted once.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from .documents import damaged, seal
from .files import Disk
from .key import pack_id
from .layout import Layout
from .reading import FileFacts, read_document, read_table
from .writing import Stage, create

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
    """
    ids = table["item_id"].to_list()
    pack = pack_id(ids)
    path = staged.layout.pack(pack)
    if staged.disk.status(path) is not None:
        return pack
    buffer = io.BytesIO()
    table.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()).write_parquet(buffer)
    data = buffer.getvalue()
    rows = path.with_suffix(".parquet")
    if not create(staged, rows, data):
        # Left by a crash before its sidecar, or written by another polars: what stands there counts.
        data = staged.disk.read(rows)
        if _ids(data) != ids:
            raise damaged(staged.layout.relative(rows), "does not hold the items of its name")
    facts = FileFacts.of(rows.name, data)
    create(staged, path, seal("pack", {"id": pack, "items": items, "n": len(ids), "table": facts.to_json()}))
    return pack


def _ids(data: bytes) -> list[str] | None:
    try:
        return list(pl.read_parquet(io.BytesIO(data))["item_id"])
    except (pl.exceptions.PolarsError, OSError):
        return None


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
    table = read_table(disk, rows, FileFacts.from_json(body["table"]), layout.relative(rows))
    ids: Sequence[str] = table["item_id"].to_list()
    if body["id"] != pack or pack_id(ids) != pack:
        raise damaged(where, "is the pack of other items than its name says")
    return Pack(pack, tuple(ids), table)


