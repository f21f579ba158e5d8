"""Mend a store without ever deleting: what cannot be believed goes to quarantine, and `run` makes it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .check import Finding, check
from .commits import Commit
from .documents import Document
from .errors import AssayError, IntegrityError
from .files import Disk
from .layout import Layout, is_run, parse_record
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


def open_for_repair(path: Path, disk: Disk | None = None) -> tuple[Store, list[Moved]]:
    """Open a store whose STORE.json may be missing or damaged; it says nothing that cannot be written again.

    Raises
    ------
    IncompleteError
        When there is no store.
    FormatVersionError
        When it is of another format version.
    """
    disk = disk or Disk()
    layout = Layout(path)
    try:
        return Store(path, disk), []
    except IntegrityError as error:
        moved = []
        if disk.status(layout.store_file) is not None:
            to = quarantine(disk, layout, layout.store_file, str(error))
            moved = [Moved("STORE.json", layout.relative(to), str(error))]
        return Store.create(path, disk)[0], moved


def repair(store: Store) -> list[Moved]:
    """Move every damaged, lost or unexplained thing to `local/quarantine/`, after hashing all data.

    A damaged or lost segment takes its commit record with it, so that the next `assay-extract run` redoes exactly
    that unit. Documents (requests, packs, versions, spaces) come back through the command that made them.
    """
    moved: list[Moved] = []
    by_path: dict[str, Finding] = {}
    found = check(store, read_data=True)
    # While a request is missing, data that nobody asks for may be its own, and copying it back explains them.
    asked = not any(finding.path == "requests" for finding in found)
    for finding in found:
        if finding.sort in ("damaged", "lost") or (finding.sort == "unexplained" and asked):
            by_path.setdefault(finding.path, finding)
    for name, finding in by_path.items():
        for part in _companions(store, name):
            path = store.layout.root / part
            if store.disk.status(path) is not None:
                target = quarantine(store.disk, store.layout, path, finding.what)
                moved.append(Moved(part, store.layout.relative(target), finding.what))
    store.forget()
    return moved


def _companions(store: Store, name: str) -> list[str]:
    """Return a damaged document and what only it refers to, the document first."""
    stem = name.removesuffix(".json")
    last = name.rsplit("/", 1)[-1]
    if name.startswith(("packs/", "datasets/")) and name.endswith(".json"):
        return [name, f"{stem}.parquet"]
    if name.startswith("runs/") and is_run(last):
        # The end of a run that has no beginning would be damage again.
        return [name, *([] if stem.endswith(".end") else [f"{stem}.end.json"])]
    if name.startswith("commits/") and parse_record(last):
        _, kind, label, _ = name.split("/")
        try:
            commit = Commit.from_bytes(read_bytes(store.disk, store.layout.root / name, name), name)
        except AssayError:
            return [name]
        return [name, *(f"data/{kind}/{label}/{segment.id}" for segment in commit.segments)]
    return [name]
