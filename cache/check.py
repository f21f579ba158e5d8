"""Inspect a store: every file is ours and whole, or is named with what is wrong.

Without `read_data` the documents are verified and data files are only measured; with it every byte is hashed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import bindings, requests, spaces, views
from .commits import Commit, Unit
from .documents import unseal
from .errors import AssayError, IntegrityError
from .layout import (
    KINDS,
    Layout,
    is_run,
    parse_marker,
    parse_record,
    parse_request,
    parse_space,
    parse_version,
)
from .packs import read_pack
from .reader import Reader, State
from .reading import read_bytes, read_document, read_verified
from .store import Store
from .texts import read_classes, read_prompts


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    sort
        `damaged` (cannot be believed), `lost` (record without data), `inconsistent` (files contradict each other) or
        `litter` (belongs to nothing; harmless).
    """

    path: str
    sort: str
    what: str

    def to_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"path": self.path, "sort": self.sort, "what": self.what}


@dataclass(frozen=True, slots=True)
class Sample:
    """Which part of the data `check --read-data` reads: a seeded share of the segments."""

    share: float = 1.0
    seed: int = 0

    def takes(self, name: str) -> bool:
        """Tell whether a segment belongs to the sample; equal for equal seeds on every machine."""
        return self.share >= 1 or random.Random(f"{self.seed}/{name}").random() < self.share


def check(store: Store, read_data: bool = False, sample: Sample | None = None) -> list[Finding]:
    """Return everything that is wrong with a store, in path order."""
    found = [*_documents(store), *_data(store, read_data, sample or Sample()), *_litter(store)]
    if not any(finding.sort == "damaged" for finding in found):
        # These compare documents with each other, which means nothing while some cannot be read.
        found += _contradictions(store)
    return sorted(set(found), key=lambda finding: (finding.path, finding.sort, finding.what))


def _tried(path: str, read: Callable[[], object]) -> Iterator[Finding]:
    try:
        read()
    except AssayError as error:
        yield Finding(path, "damaged", str(error))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield Finding(path, "damaged", f"{path}: expected fields are missing ({error!r})")


def _documents(store: Store) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    for name in disk.names(layout.requests):
        if parse_request(name):
            yield from _tried(f"requests/{name}", partial(_one_request, store, name))
    for name in disk.names(layout.datasets):
        path = f"datasets/{name}"
        if version := parse_version(name):
            yield from _tried(path, partial(views.read_version, disk, layout, *version))
        elif parse_marker(name):
            yield from _tried(path, partial(read_document, disk, layout.datasets / name, "marker", path))
    for name in disk.names(layout.packs):
        if name.endswith(".json"):
            yield from _tried(f"packs/{name}", partial(read_pack, disk, layout, name.removesuffix(".json")))
    for name in disk.names(layout.spaces):
        if parse_space(label := name.removesuffix(".json")):
            yield from _tried(f"spaces/{name}", partial(spaces.read_space, disk, layout, label))
    for name in disk.names(layout.texts):
        yield from _tried(f"texts/{name}", partial(_one_text, store, name.removesuffix(".json")))
    for name in disk.names(layout.runs):
        if is_run(name):
            sort = "run-end" if name.endswith(".end.json") else "run"
            path = f"runs/{name}"
            yield from _tried(path, partial(read_document, disk, layout.runs / name, sort, path))


def _one_request(store: Store, name: str) -> None:
    body = read_document(store.disk, store.layout.requests / name, "request", f"requests/{name}")
    if not name.startswith(requests.Request.from_json(body).digest):
        raise IntegrityError(f"requests/{name} is another request than its name says")


def _one_text(store: Store, text: str) -> None:
    data = read_bytes(store.disk, store.layout.text(text), f"texts/{text}.json")
    try:
        unseal(data, "classes", f"texts/{text}.json")
    except IntegrityError:
        read_prompts(store.disk, store.layout, text)
    else:
        read_classes(store.disk, store.layout, text)


def units(store: Store) -> Iterator[tuple[str, str, str, Path]]:
    """Yield kind, space label, pack and path of every commit record."""
    for kind in KINDS:
        for label in store.disk.names(store.layout.root / "commits" / kind):
            for name in store.disk.names(store.layout.records(kind, label)):
                if pack := parse_record(name):
                    yield kind, label, pack, store.layout.record(kind, label, pack)


def _data(store: Store, read_data: bool, sample: Sample) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    reader = Reader(store)
    for kind, label, pack, path in units(store):
        where = layout.relative(path)
        try:
            commit = Commit.from_bytes(read_bytes(disk, path, where), where)
            space = spaces.read_space(disk, layout, label)
            unit = Unit(kind, space.id, label, pack)
            reader.commit(unit)
        except AssayError as error:
            yield Finding(where, "damaged", str(error))
            continue
        if reader.state(unit) is State.LOST:
            yield Finding(where, "lost", f"{where}: its data are gone. `assay-cache repair`, then `assay-extract run`.")
            continue
        for segment in commit.segments:
            folder = layout.segment(kind, label, segment.id)
            for facts in segment.files:
                file = f"{layout.relative(folder)}/{facts.path}"
                if read_data and sample.takes(segment.id):
                    yield from _tried(where, partial(read_verified, disk, folder / facts.path, facts, file))
                else:
                    status = disk.status(folder / facts.path)
                    if status is None or status.st_size != facts.size:
                        size = "missing" if status is None else f"{status.st_size} bytes"
                        yield Finding(where, "damaged", f"{file}: {size}, its record says {facts.size} bytes")


def _contradictions(store: Store) -> Iterator[Finding]:
    store.forget()
    for name in views.names(store.disk, store.layout):
        try:
            views.head_id(store.disk, store.layout, name)
        except AssayError as error:
            yield Finding(f"datasets/{name}", "inconsistent", str(error))
    try:
        bindings.check_explained(store)
    except AssayError as error:
        yield Finding("requests", "inconsistent", str(error))
    for request in store.requests().live:
        for pack in request.packs:
            if store.disk.status(store.layout.pack(pack)) is None:
                what = f"missing, though request {request.digest[:16]} names it"
                yield Finding(f"packs/{pack}.json", "inconsistent", what)
        if store.disk.status(store.layout.space(request.label)) is None:
            what = f"missing, though {request.model} is bound to it"
            yield Finding(f"spaces/{request.label}.json", "inconsistent", what)


def _litter(store: Store) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    known = known_files(store)
    for path in disk.walk(layout.root):
        name = layout.relative(path)
        top = name.split("/")[0]
        if top == "local":
            if name.startswith("local/staging/"):
                what = "unfinished work of a run; `assay-cache gc` removes it"
                yield Finding("/".join(name.split("/")[:3]), "litter", what)
        elif name not in known:
            yield Finding(name, "litter", "belongs to nothing in this store")


def known_files(store: Store) -> set[str]:
    """Return every file that the format expects, given the documents that are there."""
    disk, layout = store.disk, store.layout
    known = {"STORE.json"}
    known.update(f"requests/{name}" for name in disk.names(layout.requests) if parse_request(name))
    known.update(f"runs/{name}" for name in disk.names(layout.runs) if is_run(name))
    for name in disk.names(layout.datasets):
        if parse_version(name):
            known.update((f"datasets/{name}", f"datasets/{name.removesuffix('.json')}.parquet"))
        elif parse_marker(name):
            known.add(f"datasets/{name}")
    for folder in ("packs", "spaces", "texts"):
        for name in disk.names(layout.root / folder):
            if name.endswith(".json"):
                known.add(f"{folder}/{name}")
                if folder == "packs":
                    known.add(f"packs/{name.removesuffix('.json')}.parquet")
    for kind, label, _, path in units(store):
        known.add(layout.relative(path))
        known.update(_files_of(store, layout, kind, label, path))
    return known


def _files_of(store: Store, layout: Layout, kind: str, label: str, path: Path) -> set[str]:
    try:
        commit = Commit.from_bytes(read_bytes(store.disk, path, ""), "")
    except AssayError:
        return set()
    return {
        f"{layout.relative(layout.segment(kind, label, segment.id))}/{facts.path}"
        for segment in commit.segments
        for facts in segment.files
    }


