"""Mend a store without ever deleting: what cannot be believed goes to quarantine, and `run` makes it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .check import Finding, check
from .commits import Commit
from .documents import Document
from .errors import AssayError
from .layout import parse_record
from .reading import read_bytes
from .store import Store
from .writing import quarantine


@dataclass(frozen=True, slots=True)
class Moved:
    """A file or folder that was put out of sight."""

    path: str
    to: str
    why: str

    def to_json(self) -> Document:
        """Return the JSON form."""
        return {"path": self.path, "to": self.to, "why": self.why}


def repair(store: Store) -> list[Moved]:
    """Move every damaged or lost thing to `local/quarantine/`, after hashing all data.

    A damaged or lost segment takes its commit record with it, so that the next `assay-extract run` redoes exactly
    that unit. Documents (requests, packs, versions, spaces) come back through the command that made them.
    """
    moved: list[Moved] = []
    by_path: dict[str, Finding] = {}
    for finding in check(store, read_data=True):
        if finding.sort in ("damaged", "lost"):
            by_path.setdefault(finding.path, finding)
    for name, finding in by_path.items():
        moved += _move(store, _companions(store, name), finding.what)
    store.forget()
    return moved


def _companions(store: Store, name: str) -> list[str]:
    """Return a damaged document and what only it refers to, the document first."""
    stem = name.removesuffix(".json")
    if name.startswith(("packs/", "datasets/")) and name.endswith(".json"):
        return [name, f"{stem}.parquet"]
    if name.startswith("commits/") and parse_record(name.rsplit("/", 1)[-1]):
        _, kind, label, _ = name.split("/")
        try:
            commit = Commit.from_bytes(read_bytes(store.disk, store.layout.root / name, name), name)
        except AssayError:
            return [name]
        return [name, *(f"data/{kind}/{label}/{segment.id}" for segment in commit.segments)]
    return [name]


def _move(store: Store, names: Iterable[str], why: str) -> list[Moved]:
    moved = []
    for name in names:
        path = store.layout.root / name
        if store.disk.status(path) is not None:
            target = quarantine(store.disk, store.layout, path)
            moved.append(Moved(name, store.layout.relative(target), why))
    return moved
