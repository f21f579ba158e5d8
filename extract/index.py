"""Indexing: hash the files of a dataset, cut packs, write a version.

Incremental: a file whose size and modification time are noted is not read again. Images that other datasets
brought are found in their packs, so that nothing is extracted twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from cache.layout import is_name
from cache.packs import PACK_SIZE, read_pack, write_pack
from cache.store import Store
from cache.texts import write_text
from cache.views import write_version
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import Dataset

from .augmentation import copy_name
from .classes import Labels, assign
from .columns import view_table
from .containers.opening import check_place, open_container
from .identify import identify, remembered, with_beside
from .layouts.entries import Ask, Entry, Found, Refused
from .layouts.folder import read_listing
from .layouts.labels_file import read_labels
from .layouts.registry import LAYOUTS, detect, known_layout
from .listed import SourceImages, listed_before, source_images
from .packing import Packing, Seen, choose_packs
from .pixel_steps import pixel_step_of

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRequest:
    """What to index.

    layout
        "" where the root itself has to say.
    augment
        How many augmented copies of the dataset are written beside it, and by which seed they are drawn.
    """

    dataset: str
    root: Path | None
    layout: str = "folder"
    labels: Path | None = None
    listing: Path | None = None
    annotations: Path | None = None
    label_space: str = ""
    limit: int | None = None
    pack_size: int = PACK_SIZE
    packing: Packing = "auto"
    follow_links: bool = False
    threads: int = 2
    augment: int = 0
    augment_seed: int = 1


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
    note: str = ""
    """What the manifest says where the number of images is another than it expects."""
    copies: tuple[str, ...] = ()
    """Augmented copies of the dataset, each a dataset over the same images and packs."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The samples of a dataset as they lie on disk, read and hashed; nothing of them is in the store yet.

    listed
        Whether some samples are only listed, without an image here.
    """

    layout: str
    label_space: str
    manifest: Dataset | None
    labels: Labels
    table: pl.DataFrame
    seen: Seen
    hashed: int
    listed: bool
    refused: tuple[Refused, ...]


def check_request(catalogue: Catalogue, request: IndexRequest) -> None:
    """Check what can be told before anything is read, so that a slip of the pen leaves no empty store behind.

    Raises
    ------
    UsageError
        For a dataset id that no file may have, files that are not there, and options that do not go together.
    """
    if not is_name(request.dataset):
        raise UsageError(f"dataset id {request.dataset!r}: expected letters, digits, '.', '_', '-' (at most 80).")
    if request.augment and pixel_step_of(catalogue, request.dataset) is not None:
        raise UsageError(f"--augment: {request.dataset} has a pixel step of its own; expected one without.")
    given = {"labels": request.labels, "listing": request.listing, "annotations": request.annotations}
    for name, path in given.items():
        if path is not None and not path.exists():
            raise UsageError(f"--{name} {path} cannot be read: there is no such file.")
    manifest = catalogue.datasets.get(request.dataset)
    accepted = manifest.layouts if manifest is not None else ()
    if request.root is not None:
        check_place(request.root)
    elif request.listing is None and not any(name in accepted for name in _WITHOUT_FILES):
        raise UsageError("index needs --root DIR, or --listing FILE for samples that are not on this machine.")


def index(store: Store, catalogue: Catalogue, request: IndexRequest) -> IndexReport:
    """Write the current version of a dataset.

    Raises
    ------
    UsageError
        When the folder, the labels or the options do not fit; nothing is written then.
    """
    found = gather(store, catalogue, request)
    table, labels = found.table, found.labels
    with store.stage() as staged:
        classes = "" if labels.classes is None else write_text(staged, labels.classes)
        chosen = choose_packs(store, request.dataset, table, classes, request.packing)
        inside = {item for pack in chosen for item in read_pack(store.disk, store.layout, pack).items}
        fresh = [image for image in dict.fromkeys(table["image_id"].to_list()) if image not in inside]
        for start in range(0, len(fresh), request.pack_size):
            part = fresh[start : start + request.pack_size]
            chosen.append(write_pack(staged, "image", found.seen.filter_items(part)))
        facts = {
            "layout": found.layout,
            "label_space": found.label_space or ("" if labels.classes is None else "own"),
            "virtual": found.listed,
        }
        version, new = write_version(staged, request.dataset, table, classes, chosen, facts)
        copies = [copy_name(request.dataset, copy) for copy in range(request.augment)]
        for copy, name in enumerate(copies):
            step = {"op": "augment", "copy": copy, "seed": request.augment_seed}
            write_version(staged, name, table, classes, chosen, {**facts, "pixel_step": step})
    computed = sum(len(read_pack(store.disk, store.layout, pack).items) for pack in chosen)
    whole = found.manifest is not None and request.limit is None
    return IndexReport(
        dataset=request.dataset,
        version=version,
        new=new,
        samples=table.height,
        images=table["image_id"].n_unique(),
        labelled=table.height - table["label"].null_count(),
        hashed=found.hashed,
        packs=len(chosen),
        computed=computed,
        refused=found.refused,
        note=found.manifest.count_note(table.height) if whole and found.manifest is not None else "",
        copies=tuple(copies),
    )


def gather(store: Store, catalogue: Catalogue, request: IndexRequest) -> Gathered:
    """Read the samples of a dataset and hash their images; writes this machine's notes and nothing else.

    Raises
    ------
    UsageError
        As `index`.
    """
    check_request(catalogue, request)
    manifest = catalogue.datasets.get(request.dataset)
    layout, stream = _read(catalogue, request)
    entries: list[Entry] = []
    refused: list[Refused] = []
    for item in stream:
        if isinstance(item, Refused):
            refused.append(item)
        else:
            entries.append(_without_label(item) if manifest is not None and manifest.role == "ood" else item)
    if not entries:
        raise UsageError(f"no images found in {request.root or request.listing}; refused {len(refused)}.")
    _check_samples(entries)
    space = request.label_space or (manifest.label_space if manifest is not None else "")
    # Before the cut: a dataset's own classes are those of the whole folder, else a part of it would be an easier test.
    labels = assign(entries, catalogue.labels, space)
    if request.limit is not None:
        entries = entries[: request.limit]
    source = (manifest.over if manifest is not None else "") or request.dataset
    known = SourceImages() if request.root is not None else source_images(store, request.dataset, source, entries)
    with remembered(store) as sources:
        ids, seen, hashed = identify(store, sources, entries, source, known, request.threads)
        entries = with_beside(store, sources, entries, request.threads)
    if known.images and (lost := [e.sample for e, i in zip(entries, ids, strict=True) if i is None]):
        more = f", nor has it {len(lost) - 1} more" if len(lost) > 1 else ""
        refused.append(Refused(lost[0], f"{source} in this store lacks it{more}"))
    else:
        refused += [Refused(e.sample, "cannot be read") for e, i in zip(entries, ids, strict=True) if i is None]
    keep = [at for at, image in enumerate(ids) if image is not None]
    table = view_table(
        entries,
        [image or "" for image in ids],
        labels,
        keep,
        listed_before(store, entries, ids, keep, source),
        LAYOUTS[layout].columns,
    )
    listed = any(entries[at].place is None for at in keep) and not known.images
    return Gathered(layout, space, manifest, labels, table, seen, hashed, listed, tuple(refused))


def _read(catalogue: Catalogue, request: IndexRequest) -> tuple[str, Iterable[Found]]:
    """Return the layout and its samples."""
    manifest = catalogue.datasets.get(request.dataset)
    files = None if request.root is None else open_container(request.root, request.follow_links)
    if request.listing is not None:
        return "listing", read_listing(request.listing, request.root)
    accepted = manifest.layouts if manifest is not None else ()
    ask = Ask(
        dataset=request.dataset,
        files=files,
        manifest=manifest,
        factors=next((f for f in catalogue.factors.values() if request.dataset in f.readings), None),
        labels=None if request.labels is None else read_labels(request.labels),
        annotations=request.annotations,
        label_space=request.label_space,
        space=catalogue.labels.get(request.label_space or (manifest.label_space if manifest is not None else "")),
    )
    layout = request.layout or (detect(ask, accepted) if accepted else "folder")
    reader = known_layout(layout)
    if accepted and layout not in accepted and (request.labels is None or layout != "folder"):
        raise UsageError(
            f"{request.dataset} comes as {', '.join(accepted)}; got --layout {layout}. For other arrangements say the "
            "class of each file with --labels FILE, or index them under a name of your own."
        )
    return layout, reader.read(ask)


_WITHOUT_FILES = (
    *("imagenet-val-flat", "imagenet-x-annotations", "imagenet-real", "shot-list"),
    *("karpathy", "retrieval-annotations"),
)
"""Layouts whose annotations name the samples, so that they can be listed before any image is here."""


def _without_label(entry: Entry) -> Entry:
    """Keep a class of an out-of-distribution image as what it is: the name of a folder."""
    said = next(iter(entry.keys.values()), "")
    extra = {"ood_class": said, **entry.extra} if said else entry.extra
    return replace(entry, keys={}, extra=extra, accepted=None)


def _check_samples(entries: Sequence[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.sample in seen:
            raise UsageError(f"{entry.sample!r} stands twice; sample names are unique. Index one copy of the set.")
        seen.add(entry.sample)
