"""Samples that were listed without their images: which images of this store they are, before and after.

A set over another one (ImageNet-X over the validation set) needs no files where the other is indexed in this store.
Where it is not, samples get virtual ids; once images are here, the column `virtual_id` leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from cache import packs as pack_files
from cache import views
from cache.key import virtual_id
from cache.packs import read_pack
from cache.store import Store
from cache.views import View
from manifests.errors import UsageError

from .layouts.entries import Entry
from .packing import PackRow


@dataclass(frozen=True, slots=True)
class SourceImages:
    """Images of another set of this store, by what lists call them, and the rows of its packs."""

    images: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, PackRow] = field(default_factory=dict)


def source_images(store: Store, dataset: str, source: str, entries: Sequence[Entry]) -> SourceImages:
    """Find the images of a set that is listed over another one, where that one is indexed in this store."""
    head = views.read_head(store.disk, store.layout, dataset)
    if source == dataset:
        if head is not None and not head.facts.get("virtual"):
            raise UsageError(f"{dataset} has images in this store already; give --root DIR to index it again.")
        return SourceImages()
    view = views.read_head(store.disk, store.layout, source)
    if view is None or view.facts.get("virtual"):
        return SourceImages()
    names = [sample.rsplit("/", 1)[-1] for sample in view.table["sample"].to_list()]
    images = dict(zip(names, view.table["image_id"].to_list(), strict=True))
    if not any((entry.listed_as or entry.sample) in images for entry in entries):
        return SourceImages()
    return SourceImages(images, _pack_rows(store, view))


def _pack_rows(store: Store, view: View) -> dict[str, PackRow]:
    found: dict[str, PackRow] = {}
    for pack in view.packs:
        for row in read_pack(store.disk, store.layout, pack).table.select(list(pack_files.SCHEMA)).iter_rows():
            found.setdefault(row[0], row)
    return found


def listed_before(
    store: Store, entries: Sequence[Entry], ids: Sequence[str | None], keep: Sequence[int], source: str
) -> dict[int, str]:
    """Return, by position, the id under which a sample was listed in this store before its image was.

    Numbers that were ingested then belong to that id; the view's column `virtual_id` leads from one to the other.
    """
    listed: set[str] = set()
    for name in store.disk.names(store.layout.packs):
        if name.endswith(".json"):
            table = read_pack(store.disk, store.layout, name.removesuffix(".json")).table
            listed.update(table.filter(pl.col("format") == "virtual")["item_id"].to_list())
    if not listed:
        return {}
    named = {at: virtual_id(source, entries[at].listed_as or entries[at].sample) for at in keep}
    return {at: name for at, name in named.items() if name in listed and name != ids[at]}
