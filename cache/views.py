"""Dataset versions: which images, in which order, with which labels.

A version is a Parquet table, one row a sample, and a sidecar. It holds no paths and no features. Re-indexing
writes a new version and a marker that retires the old one; the head is the version without a marker.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import polars as pl

from manifests.canonical import digest

from .documents import Document, damaged, seal
from .errors import IncompleteError, IntegrityError
from .files import Disk
from .layout import SHORT, Layout, parse_marker, parse_version
from .reading import FileFacts, read_document, read_table
from .writing import Stage, create, create_equal

REQUIRED = ("sample", "image_id", "label")


@dataclass(frozen=True, slots=True)
class View:
    """One version of a dataset.

    table
        `sample` (unique), `image_id`, `label` (index into the class list, or null) and the set's own columns.
    classes
        Texts id of the class list that labels index into; empty when nothing is labelled.
    packs
        Where its images are, first listed wins.
    """

    name: str
    id: str
    table: pl.DataFrame
    classes: str
    packs: tuple[str, ...]
    facts: Document

    @property
    def reference(self) -> str:
        """How requests and results name this version."""
        return f"{self.name}@{self.id[:SHORT]}"


def version_id(name: str, table: pl.DataFrame, classes: str, packs: list[str]) -> str:
    """Name a version by its rows, class list and packs; not by the bytes of a Parquet writer."""
    rows = [list(table.columns), [str(dtype) for dtype in table.dtypes], table.rows()]
    return digest("dataset", {"name": name, "rows": digest("rows", rows), "classes": classes, "packs": packs})


def write_version(
    staged: Stage, name: str, table: pl.DataFrame, classes: str, packs: list[str], facts: Document
) -> tuple[str, bool]:
    """Store a version and retire the head before it.

    Returns
    -------
    tuple
        The version's id, and whether it is new. Rows and classes equal to the head's write nothing.

    Raises
    ------
    ValueError
        When a required column is missing or `sample` is not unique.
    """
    missing = [column for column in REQUIRED if column not in table.columns]
    if missing or table["sample"].n_unique() != table.height:
        raise ValueError(f"a view needs the columns {REQUIRED} and unique samples; missing {missing}")
    disk, layout = staged.disk, staged.layout
    head = head_id(disk, layout, name)
    version = version_id(name, table, classes, packs)
    if head is not None:
        old = read_version(disk, layout, name, head)
        if old.id == version or (
            old.classes == classes and set(packs) == set(old.packs) and old.table.equals(table)
        ):
            return old.id, False
    path = layout.version(name, version)
    if disk.status(path) is not None:
        if head is not None:
            raise IncompleteError(
                f"{name}: these rows are an older version ({path.stem}) that was replaced since. A version is never "
                "revived; index them under another dataset id, or run `assay-cache check`."
            )
    else:
        _write_files(staged, name, version, table, classes, packs, facts)
    if head is not None:
        # The marker comes last: until it stands, two heads are an error and not a silent choice.
        body = {"name": name, "old": head, "new": version[:SHORT]}
        create_equal(staged, layout.marker(name, head, version), seal("marker", body))
    return version, True


def _write_files(
    staged: Stage, name: str, version: str, table: pl.DataFrame, classes: str, packs: list[str], facts: Document
) -> None:
    disk, layout = staged.disk, staged.layout
    path = layout.version(name, version)
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    data = buffer.getvalue()
    rows = path.with_name(path.name.removesuffix(".json") + ".parquet")
    if not create(staged, rows, data):
        data = disk.read(rows)
        try:
            same = pl.read_parquet(io.BytesIO(data)).equals(table)
        except (pl.exceptions.PolarsError, OSError):
            same = False
        if not same:
            raise damaged(layout.relative(rows), "does not hold the rows of its name")
    body = {
        "name": name,
        "id": version,
        "n": table.height,
        "classes": classes,
        "packs": packs,
        "facts": facts,
        "table": FileFacts.of(rows.name, data).to_json(),
    }
    create(staged, path, seal("dataset", body))


def names(disk: Disk, layout: Layout) -> list[str]:
    """Return the datasets of a store, from any file that mentions them."""
    found = set()
    for name in disk.names(layout.datasets):
        if version := parse_version(name):
            found.add(version[0])
        elif marker := parse_marker(name):
            found.add(marker[0])
    return sorted(found)


def head_id(disk: Disk, layout: Layout, name: str) -> str | None:
    """Return the short id of a dataset's head, or None where the store does not know the dataset.

    Raises
    ------
    IntegrityError
        When there is no head or more than one, or a marker points to a version that is not there.
    """
    versions: set[str] = set()
    replaced: dict[str, str] = {}
    for file in disk.names(layout.datasets):
        if (version := parse_version(file)) and version[0] == name:
            versions.add(version[1])
        elif (marker := parse_marker(file)) and marker[0] == name:
            body = read_document(disk, layout.datasets / file, "marker", f"datasets/{file}")
            if (body["name"], body["old"], body["new"]) != marker:
                raise damaged(f"datasets/{file}", "is the marker of other versions than its name says")
            replaced[marker[1]] = marker[2]
    if not versions and not replaced:
        return None
    absent = sorted((set(replaced) | set(replaced.values())) - versions)
    if absent:
        raise IntegrityError(
            f"dataset {name}: version {', '.join(absent)} is missing although a marker in datasets/ names it. "
            f"Copy datasets/{name}@* again from a good copy of the store, or run `assay-extract index {name}` again "
            "after `assay-cache repair`."
        )
    heads = sorted(versions - set(replaced))
    if len(heads) != 1:
        raise IntegrityError(
            f"dataset {name} has {len(heads)} current versions ({', '.join(heads) or 'none'}), expected one: "
            "a marker in datasets/ is missing, or two machines indexed it differently. "
            f"`assay-cache retire --dataset {name}@ID` retires the one that you do not want."
        )
    return heads[0]


def read_version(disk: Disk, layout: Layout, name: str, short: str) -> View:
    """Return one version, verified.

    Raises
    ------
    IntegrityError
        When it is missing or damaged.
    """
    path = layout.version(name, short)
    where = layout.relative(path)
    body = read_document(disk, path, "dataset", where)
    rows = path.with_name(path.name.removesuffix(".json") + ".parquet")
    table = read_table(disk, rows, FileFacts.from_json(body["table"]), layout.relative(rows))
    packs: list[Any] = body["packs"]
    view = View(str(body["name"]), str(body["id"]), table, str(body["classes"]), tuple(packs), body["facts"])
    if view.name != name or view.id[:SHORT] != short or version_id(name, table, view.classes, packs) != view.id:
        raise damaged(where, "is the sidecar of another version than its name says")
    return view


def read_head(disk: Disk, layout: Layout, name: str) -> View | None:
    """Return the current version of a dataset, or None where the store does not know it."""
    short = head_id(disk, layout, name)
    return None if short is None else read_version(disk, layout, name, short)
