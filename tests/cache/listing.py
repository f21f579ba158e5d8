"""Datasets that are listed without images, and files of numbers for them, as users have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from cache.key import virtual_id
from cache.packs import write_pack
from cache.store import Store
from cache.texts import ClassList, write_text
from cache.views import write_version
from tests.cache.synthetic import pack_table

CLASSES = ClassList(("n01", "n02", "n03"), ("circle", "square", "star"))
SAMPLES = tuple(f"a/{n:03}.png" for n in range(10))
LABELS = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def listed(
    path: Path,
    name: str = "shapes",
    samples: tuple[str, ...] = SAMPLES,
    ids: list[str] | None = None,
    *,
    labels: Sequence[int] | None = None,
    classes: ClassList = CLASSES,
    pack: int = 4,
    more: tuple[str, ...] = (),
    virtual: dict[str, str] | None = None,
    own: dict[str, list[object]] | None = None,
) -> Store:
    """Write a version of a dataset.

    Parameters
    ----------
    ids
        Its images; without them it is listed only.
    more
        Images of its packs that it does not hold itself.
    virtual
        Sample -> the id under which it was listed before.
    own
        Further columns.
    """
    store = Store.create(path)[0]
    images = ids or [virtual_id(name, sample) for sample in samples]
    said = list(labels) if labels is not None else (LABELS * len(samples))[: len(samples)]
    table = pl.DataFrame({"sample": list(samples), "image_id": images, "label": said, **(own or {})})
    if virtual is not None:
        table = table.with_columns(pl.Series("virtual_id", [virtual.get(s) for s in samples], dtype=pl.String))
    items = list(dict.fromkeys([*images, *more]))
    with store.stage() as staged:
        text = write_text(staged, classes)
        cut = [items[at : at + pack] for at in range(0, len(items), pack)]
        packs = [write_pack(staged, "image", pack_table(part, "virtual" if ids is None else "png")) for part in cut]
        write_version(staged, name, table, text, packs, {"layout": "listing", "virtual": ids is None})
    return Store(path)


def csv(path: Path, rows: list[tuple[object, ...]], header: str = "sample,predicted_class") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def content(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}
