"""Inspect a store: every file is ours and whole, or is named with what is wrong.

Without `read_data` the documents are verified and data files are only measured; with it every byte is hashed and
decoded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from . import bindings, packs, requests, runs, spaces, texts, views
from .commits import Commit, Unit
from .documents import damaged
from .errors import AssayError, FormatVersionError, IncompleteError
from .layout import (
    TABLE_KINDS,
    is_run,
    parse_forgotten,
    parse_marker,
    parse_request,
    parse_space,
    parse_version,
)
from .reader import Reader, State
from .reading import read_verified
from .store import Store

Units = Mapping[Unit, Commit]

EXIT_CODES = {"damaged": 4, "lost": 4, "inconsistent": 4, "unexplained": 4, "newer": 6, "unstarted": 3, "litter": 0}
"""Sort of finding -> what a check that found it exits with; the first sort in this order wins."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    sort
        `damaged` (cannot be believed), `lost` (record without data), `inconsistent` (files contradict each other),
        `unexplained` (data that no request asks for), `newer` (another format version), `unstarted` (a request whose
        run never began) or `litter` (belongs to nothing; harmless).
    """

    path: str
    sort: str
    what: str

    def to_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"path": self.path, "sort": self.sort, "what": self.what}


@dataclass(frozen=True, slots=True)
class Sample:
    """Which part of the data `check --read-data` reads: a seeded share of the segments.

    Examples
    --------
    >>> half = Sample(share=0.5, seed=1)
    >>> sum(half.takes(str(n)) for n in range(1000))
    515
    """

    share: float = 1.0
    seed: int = 0

    def takes(self, name: str) -> bool:
        """Tell whether a segment belongs to the sample; equal for equal seeds on every machine."""
        return self.share >= 1 or random.Random(f"{self.seed}/{name}").random() < self.share


def exit_code(findings: list[Finding]) -> int:
    """Return what a check exits with."""
    sorts = {finding.sort for finding in findings}
    return next((code for sort, code in EXIT_CODES.items() if sort in sorts), 0)


def check(store: Store, read_data: bool = False, sample: Sample | None = None) -> list[Finding]:
    """Return everything that is wrong with a store, in path order."""
    store.forget()
    found = list(_documents(store))
    records = read_records(store)
    found += records.findings
    found += _data(store, records.units, (sample or Sample()) if read_data else Sample(0.0))
    found += _litter(store, records)
    if not any(finding.sort in ("damaged", "newer") for finding in found):
        # These compare documents with each other, which means nothing while some cannot be read.
        found += _contradictions(store)
    return sorted(set(found), key=lambda finding: (finding.path, finding.sort, finding.what))


def _tried(path: str, read: Callable[[], object]) -> Iterator[Finding]:
    try:
        read()
    except FormatVersionError as error:
        yield Finding(path, "newer", str(error))
    except AssayError as error:
        yield Finding(path, "damaged", str(error))


def _documents(store: Store) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    for name in disk.names(layout.requests):
        if parse_request(name):
            yield from _tried(f"requests/{name}", partial(requests.read_request, disk, layout, name))
        elif parse_forgotten(name):
            yield from _tried(f"requests/{name}", partial(requests.read_forgotten, disk, layout, name))
    for name in disk.names(layout.datasets):
        path = f"datasets/{name}"
        if version := parse_version(name):
            yield from _tried(path, partial(_one_version, store, *version))
        elif parse_marker(name):
            yield from _tried(path, partial(views.read_marker, disk, layout, name))
    for name in disk.names(layout.packs):
        if name.endswith(".json"):
            yield from _tried(f"packs/{name}", partial(packs.read_pack, disk, layout, name.removesuffix(".json")))
    for name in disk.names(layout.spaces):
        if parse_space(label := name.removesuffix(".json")):
            yield from _tried(f"spaces/{name}", partial(spaces.read_space, disk, layout, label))
    for name in disk.names(layout.texts):
        if name.endswith(".json"):
            yield from _tried(f"texts/{name}", partial(texts.read_text, disk, layout, name.removesuffix(".json")))
    yield from _runs(store)


def _one_version(store: Store, name: str, short: str) -> None:
    view = views.read_version(store.disk, store.layout, name, short)
    if views.rows_digest(view.table) != view.rows:
        raise damaged(f"datasets/{view.reference}.json", "holds the digest of other rows than its table has")


def _runs(store: Store) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    names = {name for name in disk.names(layout.runs) if is_run(name)}
    for name in sorted(names):
        yield from _tried(f"runs/{name}", partial(runs.read_run, disk, layout, name))
        start = f"{name.removesuffix('.end.json')}.json"
        if name.endswith(".end.json") and start not in names:
            what = f"tells the end of a run whose beginning, runs/{start}, is missing"
            yield Finding(f"runs/{name}", "damaged", what)


@dataclass(frozen=True, slots=True)
class Records:
    """The commit records of a store.

    units
        Those that can be believed.
    unread
        `data/<kind>/<label>` of the others: which data are theirs cannot be told, so nobody may call them litter.
    findings
        Why they cannot.
    """

    units: Units
    unread: frozenset[str]
    findings: tuple[Finding, ...]


def read_records(store: Store) -> Records:
    """Read every commit record."""
    reader = Reader(store)
    units: dict[Unit, Commit] = {}
    unread: set[str] = set()
    found: list[Finding] = []
    for kind, label, pack in bindings.commit_names(store):
        where = store.layout.relative(store.layout.record(kind, label, pack))
        # A space or a pack that cannot be read says nothing against the record; they are listed by themselves.
        for path, read in (
            (store.layout.space(label), partial(store.space, label)),
            (store.layout.pack(pack), partial(reader.pack, pack)),
        ):
            if store.disk.status(path) is None:
                found.append(Finding(store.layout.relative(path), "inconsistent", f"missing, though {where} needs it"))
                break
            if list(_tried("", read)):
                break
        else:
            unit = reader.unit(kind, store.space(label), pack)
            problems = list(_tried(where, partial(reader.commit, unit)))
            found += problems
            if not problems and (commit := reader.commit(unit)) is not None:
                units[unit] = commit
                continue
        unread.add(f"data/{kind}/{label}")
    return Records(units, frozenset(unread), tuple(found))


def _data(store: Store, units: Units, sample: Sample) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    reader = Reader(store)
    for unit, commit in units.items():
        where = layout.relative(layout.record(unit.kind, unit.label, unit.pack))
        if reader.state(unit) is State.LOST:
            yield Finding(where, "lost", f"{where}: its data are gone. `assay-cache repair`, then the command again.")
            continue
        for segment in commit.segments:
            folder = layout.segment(unit.kind, unit.label, segment.id)
            for facts in segment.files:
                file = f"{layout.relative(folder)}/{facts.path}"
                if sample.takes(segment.id):
                    yield from _tried(where, partial(read_verified, disk, folder / facts.path, facts, file))
                elif (status := disk.status(folder / facts.path)) is not None and status.st_size != facts.size:
                    what = f"{file}: {status.st_size} bytes, its record says {facts.size}"
                    yield Finding(where, "damaged", what)
            if sample.takes(segment.id) and unit.kind not in TABLE_KINDS:
                yield from _tried(where, partial(reader.segment, unit, segment))
        if unit.kind in TABLE_KINDS and sample.takes(commit.segments[0].id):
            yield from _tried(where, partial(reader.table, unit))


def _contradictions(store: Store) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    for name in views.names(disk, layout):
        yield from _opposed(f"datasets/{name}", partial(views.head_id, disk, layout, name))
    yield from _opposed("requests", partial(bindings.check_asked, store))
    for names in bindings.unexplained_units(store):
        what = "no request asks for these data; `assay-cache repair` puts them away once no request is missing"
        yield Finding(layout.relative(layout.record(*names)), "unexplained", what)
    for request in store.requests().live:
        short = request.digest[:16]
        for kind in request.kinds:
            for pack in request.packs_of(kind):
                if disk.status(layout.pack(pack)) is None:
                    yield Finding(f"packs/{pack}.json", "inconsistent", f"missing, though request {short} names it")
        if disk.status(layout.space(request.label)) is None:
            what = f"missing, though {request.model} is bound to it (request {short})"
            yield Finding(f"spaces/{request.label}.json", "inconsistent", what)
        for text in {request.classes, *(text for pair in request.heads for text in pair)} - {""}:
            if disk.status(layout.text(text)) is None:
                yield Finding(f"texts/{text}.json", "inconsistent", f"missing, though request {short} names it")


def _opposed(path: str, read: Callable[[], object]) -> Iterator[Finding]:
    try:
        read()
    except IncompleteError as error:
        yield Finding(path, "unstarted", str(error))
    except AssayError as error:
        yield Finding(path, "inconsistent", str(error))


def _litter(store: Store, records: Records) -> Iterator[Finding]:
    disk, layout = store.disk, store.layout
    known = known_files(store, records.units)
    # By folder and not by file: one that was killed before its first file, or while it was removed, is empty.
    for name in disk.names(layout.staging):
        what = "unfinished work of a run; `assay-cache gc` removes it once nobody writes to it any more"
        yield Finding(layout.relative(layout.staging / name), "litter", what)
    for path in disk.walk(layout.root):
        name = layout.relative(path)
        parts = name.split("/")
        if parts[0] == "local":
            continue
        if name not in known and "/".join(parts[:3]) not in records.unread:
            gone = is_ours_to_remove(parts)
            how = "`assay-cache gc` removes it" if gone else "it is no file of a store, and stays until you remove it"
            yield Finding(name, "litter", f"belongs to nothing in this store; {how}")


def is_ours_to_remove(parts: list[str]) -> bool:
    """Tell whether a file that nothing refers to stands where only this format writes.

    Examples
    --------
    >>> is_ours_to_remove(["data", "logits", "x", "y", "zarr.json"]), is_ours_to_remove(["notes.txt"])
    (True, False)
    """
    return parts[0] == "data" or (parts[0] in ("packs", "datasets") and parts[-1].endswith(".parquet"))


def known_files(store: Store, units: Units) -> set[str]:
    """Return every file that the format expects, given the documents that are there."""
    disk, layout = store.disk, store.layout
    known = {"STORE.json"}
    known.update(
        f"requests/{name}" for name in disk.names(layout.requests) if parse_request(name) or parse_forgotten(name)
    )
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
    known.update(layout.relative(layout.record(*names)) for names in bindings.commit_names(store))
    for unit, commit in units.items():
        for segment in commit.segments:
            folder_name = layout.relative(layout.segment(unit.kind, unit.label, segment.id))
            known.update(f"{folder_name}/{facts.path}" for facts in segment.files)
    return known
