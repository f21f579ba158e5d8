"""Dataset versions: which images, in which order, with which labels.

A version is a Parquet table, one row a sample, and a sidecar. It holds no paths and no features. Re-indexing
writes a new version and a marker that retires the old one; the head is the version without a marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from manifests.canonical import digest

from .documents import Document, damaged, seal
from .errors import IntegrityError, UsageError
from .files import Disk
from .layout import SHORT, Layout, parse_marker, parse_version
from .reading import FileFacts, fields_of, read_document, read_table
from .writing import Stage, create, create_equal, create_table

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
    rows
        Digest of the table's values, which the id covers.
    """

    name: str
    id: str
    table: pl.DataFrame
    classes: str
    packs: tuple[str, ...]
    facts: Document
    rows: str

    @property
    def reference(self) -> str:
        """How requests and results name this version."""
        return f"{self.name}@{self.id[:SHORT]}"


@dataclass(frozen=True, slots=True)
class Heads:
    """Which versions of a dataset are current, by short id.

    current
        Versions that no marker retires; exactly one in a sound store.
    replaced
        Versions that a marker retires.
    missing
        Versions that took over and are not there.
    """

    present: frozenset[str]
    current: tuple[str, ...]
    replaced: frozenset[str]
    missing: tuple[str, ...]


def rows_digest(table: pl.DataFrame) -> str:
    """Name the values of a table, whatever bytes a Parquet writer makes of them."""
    return digest("rows", [list(table.columns), [str(dtype) for dtype in table.dtypes], table.rows()])


def version_id(name: str, rows: str, classes: str, packs: Sequence[str], facts: Document, after: str = "") -> str:
    """Name a version by everything that its sidecar says.

    Parameters
    ----------
    after
        Short id of the version before; only where the same rows were current once already and come back.
    """
    return digest(
        "dataset",
        {"name": name, "rows": rows, "classes": classes, "packs": list(packs), "facts": facts, "after": after},
    )


def write_version(
    staged: Stage, name: str, table: pl.DataFrame, classes: str, packs: list[str], facts: Document
) -> tuple[str, bool]:
    """Store a version, make it the head and retire every head before it.

    Returns
    -------
    tuple
        The version's id, and whether it is new. Rows, classes, packs and facts equal to a head's are no new version,
        in whatever layout the files lay.

    Raises
    ------
    ValueError
        When a required column is missing or `sample` is not unique.
    UsageError
        When the store has a dataset whose name differs in letter case only.
    """
    missing = [column for column in REQUIRED if column not in table.columns]
    if missing or table["sample"].n_unique() != table.height:
        raise ValueError(f"a view needs the columns {REQUIRED} and unique samples; missing {missing}")
    disk, layout = staged.disk, staged.layout
    for other in names(disk, layout):
        if other != name and other.lower() == name.lower():
            raise UsageError(
                f"the store has a dataset {other!r}; {name!r} differs in letter case only, and many file systems take "
                "the two for one. Choose another id."
            )
    heads = read_heads(disk, layout, name)
    rows = rows_digest(table)
    for short in heads.current:
        old = read_version(disk, layout, name, short)
        same = (old.rows, old.classes, set(old.packs)) == (rows, classes, set(packs))
        if same and _meaning(old.facts) == _meaning(facts):
            retired = _retire_others(staged, name, heads, old.id)
            return old.id, retired
    version, after = _free_id(heads, name, rows, classes, packs, facts)
    path = layout.version(name, version)
    parquet = path.with_name(f"{path.name.removesuffix('.json')}.parquet")
    file = create_table(staged, parquet, table, lambda held: rows_digest(held) == rows)
    body = {
        "name": name,
        "id": version,
        "n": table.height,
        "rows": rows,
        "classes": classes,
        "packs": packs,
        "facts": facts,
        "after": after,
        "table": file.to_json(),
    }
    create(staged, path, seal("dataset", body))
    # The markers come last: until they stand, two heads are an error and not a silent choice.
    _retire_others(staged, name, heads, version)
    return version, True


def _meaning(facts: Document) -> Document:
    """Return the facts that change what rows mean: all but the arrangement of files that they were read from."""
    return {name: value for name, value in facts.items() if name != "layout"}


def _free_id(
    heads: Heads, name: str, rows: str, classes: str, packs: Sequence[str], facts: Document
) -> tuple[str, str]:
    for after in ("", *heads.current, *heads.missing, *sorted(heads.replaced)):
        version = version_id(name, rows, classes, packs, facts, after)
        # A version that was replaced stays replaced; the same rows come back under a name that says after what.
        if version[:SHORT] not in heads.present and version[:SHORT] not in heads.replaced:
            return version, after
    raise damaged(f"datasets/{name}@*", "its markers go round in a circle")


def _retire_others(staged: Stage, name: str, heads: Heads, version: str) -> bool:
    others = [old for old in (*heads.current, *heads.missing) if old != version[:SHORT]]
    for old in others:
        _write_marker(staged, name, old, version)
    return bool(others)


def _write_marker(staged: Stage, name: str, old: str, new: str) -> None:
    body = {"name": name, "old": old, "new": new[:SHORT]}
    create_equal(staged, staged.layout.marker(name, old, new), seal("marker", body))


def retire_version(staged: Stage, name: str, short: str) -> str:
    """Settle which of several heads is current, by retiring one; return the short id of the one that takes over.

    Raises
    ------
    UsageError
        When that version is not current, or the only one.
    """
    heads = read_heads(staged.disk, staged.layout, name)
    if short not in heads.current:
        raise UsageError(f"{name}@{short} is not current; current: {', '.join(heads.current) or 'none'}.")
    rest = [other for other in heads.current if other != short]
    if not rest:
        raise UsageError(
            f"{name}@{short} is the only current version of {name}. `assay-extract index {name}` writes the one that "
            "takes over; `assay-cache retire --model M --dataset D` unbinds models from it."
        )
    _write_marker(staged, name, short, rest[0])
    return rest[0]


def names(disk: Disk, layout: Layout) -> list[str]:
    """Return the datasets of a store, from any file that mentions them."""
    found = set()
    for name in disk.names(layout.datasets):
        if version := parse_version(name):
            found.add(version[0])
        elif marker := parse_marker(name):
            found.add(marker[0])
    return sorted(found)


def read_heads(disk: Disk, layout: Layout, name: str) -> Heads:
    """Return which versions of a dataset are current.

    Raises
    ------
    IntegrityError
        When a marker is damaged.
    """
    versions: set[str] = set()
    markers: set[tuple[str, str]] = set()
    for file in disk.names(layout.datasets):
        if (version := parse_version(file)) and version[0] == name:
            versions.add(version[1])
        elif (marker := parse_marker(file)) and marker[0] == name:
            read_marker(disk, layout, file)
            markers.add(marker[1:])
    replaced = {old for old, _ in markers}
    return Heads(
        present=frozenset(versions),
        current=tuple(sorted(versions - replaced)),
        replaced=frozenset(replaced),
        # An old version may go, since nothing current rests on it; the end of a chain may not.
        missing=tuple(sorted({new for _, new in markers} - versions - replaced)),
    )


def read_marker(disk: Disk, layout: Layout, file: str) -> None:
    """Check a marker against its file name.

    Raises
    ------
    IntegrityError
        When they differ, or the marker is damaged.
    """
    where = f"datasets/{file}"
    body = read_document(disk, layout.datasets / file, "marker", where)
    with fields_of(where):
        if (body["name"], body["old"], body["new"]) != parse_marker(file):
            raise damaged(where, "is the marker of other versions than its name says")


def head_id(disk: Disk, layout: Layout, name: str) -> str | None:
    """Return the short id of a dataset's head, or None where the store does not know the dataset.

    Raises
    ------
    IntegrityError
        When there is no head or more than one, or a marker points to a version that is not there.
    """
    heads = read_heads(disk, layout, name)
    if not heads.present and not heads.replaced:
        return None
    if heads.missing:
        raise IntegrityError(
            f"dataset {name}: version {', '.join(heads.missing)} is missing although a marker in datasets/ names it. "
            f"Copy datasets/{name}@* again from a good copy of the store, or run `assay-extract index {name}` again."
        )
    if len(heads.current) != 1:
        raise IntegrityError(
            f"dataset {name} has {len(heads.current)} current versions ({', '.join(heads.current) or 'none'}), "
            "expected one: a marker in datasets/ is missing, or two machines indexed it differently. "
            f"`assay-cache retire --dataset {name}@ID` retires the one that you do not want, "
            f"`assay-extract index {name}` again replaces them all."
        )
    return heads.current[0]


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
    parquet = path.with_name(f"{path.name.removesuffix('.json')}.parquet")
    with fields_of(where):
        table = read_table(disk, parquet, FileFacts.from_json(body["table"]), layout.relative(parquet))
        packs, facts, rows, classes = body["packs"], body["facts"], body["rows"], body["classes"]
        version = version_id(name, rows, classes, packs, facts, body["after"])
        if (body["name"], body["id"], version[:SHORT], body["n"]) != (name, version, short, table.height):
            raise damaged(where, "is the sidecar of another version than its name says")
    return View(name, version, table, classes, tuple(packs), facts, rows)


def read_head(disk: Disk, layout: Layout, name: str) -> View | None:
    """Return the current version of a dataset, or None where the store does not know it."""
    short = head_id(disk, layout, name)
    return None if short is None else read_version(disk, layout, name, short)
