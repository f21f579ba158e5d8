"""Indexing: hash the files of a dataset, cut packs, write a version.

Incremental: a file whose size and modification time are noted is not read again. Images that other datasets
brought are found in their packs, so that nothing is extracted twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from cache import packs as pack_files
from cache import spaces, views
from cache.key import image_id, virtual_id
from cache.layout import IMAGE_KINDS, is_name, parse_record
from cache.packs import PACK_SIZE, read_pack, write_pack
from cache.store import Store
from cache.texts import write_text
from cache.views import write_version
from manifests.catalogue import Catalogue
from manifests.errors import UsageError

from .classes import assign
from .intake import header
from .layouts.entries import Entry, Refused
from .layouts.folder import read_folder, read_imagenet_flat, read_imagenet_wnid, read_listing
from .layouts.labels_file import read_labels
from .sources import FileNote, Sources

log = logging.getLogger("assay")

LAYOUTS = ("folder", "listing", "imagenet-val-wnid", "imagenet-val-flat")
Packing = Literal["auto", "reuse", "own"]

_REUSE_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRequest:
    """What to index."""

    dataset: str
    root: Path | None
    layout: str = "folder"
    labels: Path | None = None
    listing: Path | None = None
    label_space: str = ""
    limit: int | None = None
    pack_size: int = PACK_SIZE
    packing: Packing = "auto"
    follow_links: bool = False
    threads: int = 2


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What became of it."""

    dataset: str
    version: str
    new: bool
    samples: int
    images: int
    labelled: int
    hashed: int
    packs: int
    computed: int
    """Images in its packs: what a model has to compute for it, at most."""
    refused: tuple[Refused, ...] = field(default=())


def index(store: Store, catalogue: Catalogue, request: IndexRequest) -> IndexReport:
    """Write the current version of a dataset.

    Raises
    ------
    UsageError
        When the folder, the labels or the options do not fit; nothing is written then.
    """
    if not is_name(request.dataset):
        raise UsageError(f"dataset id {request.dataset!r}: expected letters, digits, '.', '_', '-' (at most 80).")
    found = list(_entries(request))
    entries = [item for item in found if isinstance(item, Entry)]
    refused = [item for item in found if isinstance(item, Refused)]
    if not entries:
        raise UsageError(f"no images found in {request.root or request.listing}; refused {len(refused)}.")
    manifest = catalogue.datasets.get(request.dataset)
    space = request.label_space or (manifest.label_space if manifest is not None else "")
    # Before the cut: a dataset's own classes are those of the whole folder, else a part of it would be an easier test.
    labels = assign(entries, catalogue.labels, space)
    if request.limit is not None:
        entries = entries[: request.limit]
    ids, tables, hashed = _identify(store, entries, request)
    refused += [Refused(e.sample, "cannot be read") for e, i in zip(entries, ids, strict=True) if i is None]
    keep = [at for at, image in enumerate(ids) if image is not None]
    columns = sorted({name for entry in entries for name in entry.extra})
    table = pl.DataFrame(
        {
            "sample": [entries[at].sample for at in keep],
            "image_id": [ids[at] for at in keep],
            "label": [labels.indices[at] for at in keep],
            **{name: [entries[at].extra.get(name) for at in keep] for name in columns},
        },
        schema_overrides={"sample": pl.String, "image_id": pl.String, "label": pl.Int64},
    )
    with store.stage() as staged:
        classes = "" if labels.classes is None else write_text(staged, labels.classes)
        chosen = _choose_packs(store, request, table, classes)
        inside = {item for pack in chosen for item in read_pack(store.disk, store.layout, pack).items}
        fresh = [image for image in dict.fromkeys(table["image_id"].to_list()) if image not in inside]
        for start in range(0, len(fresh), request.pack_size):
            part = fresh[start : start + request.pack_size]
            chosen.append(write_pack(staged, "image", tables.filter_items(part)))
        facts = {
            "layout": request.layout,
            "label_space": space or ("" if labels.classes is None else "own"),
            "virtual": request.root is None,
        }
        version, new = write_version(staged, request.dataset, table, classes, chosen, facts)
    computed = sum(len(read_pack(store.disk, store.layout, pack).items) for pack in chosen)
    return IndexReport(
        dataset=request.dataset,
        version=version,
        new=new,
        samples=table.height,
        images=table["image_id"].n_unique(),
        labelled=table.height - table["label"].null_count(),
        hashed=hashed,
        packs=len(chosen),
        computed=computed,
        refused=tuple(refused),
    )


def _entries(request: IndexRequest) -> Iterable[Entry | Refused]:
    if request.root is not None and not request.root.is_dir():
        raise UsageError(f"--root {request.root} is not a folder.")
    if request.listing is not None:
        return read_listing(request.root, read_labels(request.listing, need_class=False))
    if request.root is None:
        raise UsageError("index needs --root DIR, or --listing FILE for samples that are not on this machine.")
    labels = None if request.labels is None else read_labels(request.labels)
    if request.layout == "folder":
        return read_folder(request.root, labels, request.follow_links)
    if request.layout == "imagenet-val-wnid":
        return read_imagenet_wnid(request.root, request.follow_links)
    if request.layout == "imagenet-val-flat":
        return read_imagenet_flat(request.root, labels, request.follow_links)
    if request.layout == "listing":
        raise UsageError("layout listing needs --listing FILE (columns file, and class_index, wnid or label).")
    raise UsageError(f"unknown layout {request.layout!r}; expected one of {', '.join(LAYOUTS)}.")


class _Seen:
    """What was seen of each image, as rows of a pack."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, int, int, int, str]] = {}

    def add(self, note: FileNote) -> None:
        self.rows.setdefault(note.image_id, (note.image_id, note.size, note.width, note.height, note.format))

    def filter_items(self, items: Sequence[str]) -> pl.DataFrame:
        return pl.DataFrame([self.rows[item] for item in items], schema=pack_files.SCHEMA, orient="row")


def _identify(store: Store, entries: Sequence[Entry], request: IndexRequest) -> tuple[list[str | None], _Seen, int]:
    seen = _Seen()
    sources = Sources(store)
    ids: list[str | None] = []
    hashed = 0

    def look(entry: Entry) -> tuple[FileNote | None, bool]:
        if entry.path is None:
            return FileNote("", 0, 0, virtual_id(request.dataset, entry.sample), 0, 0, "virtual"), False
        path = entry.path.absolute()
        if (known := sources.known(path)) is not None:
            return known, False
        try:
            status = path.stat()
            data = path.read_bytes()
        except OSError as error:
            log.warning("%s: %s", entry.sample, error.strerror or error)
            return None, False
        found = header(data)
        return (
            FileNote(str(path), len(data), status.st_mtime_ns, image_id(data), found.width, found.height, found.format),
            True,
        )

    try:
        with ThreadPoolExecutor(max_workers=max(1, request.threads)) as pool:
            # A bounded window, so that 100,000 small files do not become 100,000 waiting tasks.
            for start in range(0, len(entries), 1024):
                for note, new in pool.map(look, entries[start : start + 1024]):
                    ids.append(None if note is None else note.image_id)
                    if note is not None:
                        seen.add(note)
                        if new:
                            sources.add(note)
                            hashed += 1
    finally:
        # An interrupt loses nothing that was hashed.
        sources.flush()
    return ids, seen, hashed


def _choose_packs(store: Store, request: IndexRequest, table: pl.DataFrame, classes: str) -> list[str]:
    """Return existing packs to list, the head's own first; for rows equal to the head's, exactly the head's.

    `auto` takes a pack that some model has computed already, or of which at least half is wanted; otherwise a
    100-image subset of a large set would drag whole packs through every model.
    """
    if request.packing == "own":
        return []
    wanted = set(table["image_id"].to_list())
    head = views.read_head(store.disk, store.layout, request.dataset)
    own = list(head.packs) if head is not None else []
    if head is not None and request.packing == "auto" and head.classes == classes and head.table.equals(table):
        return own
    names = [name.removesuffix(".json") for name in store.disk.names(store.layout.packs) if name.endswith(".json")]
    computed = _computed_packs(store)
    chosen: list[str] = []
    covered: set[str] = set()
    for pack in [*own, *(name for name in names if name not in own)]:
        items = set(read_pack(store.disk, store.layout, pack).items)
        gain = (items & wanted) - covered
        worth = pack in computed or len(gain) >= _REUSE_SHARE * len(items)
        if gain and (worth or request.packing == "reuse"):
            chosen.append(pack)
            covered |= gain
    return chosen


def _computed_packs(store: Store) -> set[str]:
    found = set()
    for label in spaces.labels(store.disk, store.layout):
        for kind in IMAGE_KINDS:
            for name in store.disk.names(store.layout.records(kind, label)):
                if pack := parse_record(name):
                    found.add(pack)
    return found
