"""Rows that were committed without numbers: said again by every later run, and redone once their files are back.

A record is write-once, so that a unit is redone by putting its record away, as `assay-cache repair` does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from cache.commits import Commit, RowFailure, Unit
from cache.layout import IMAGE_KINDS
from cache.reader import Reader
from cache.store import Store
from cache.writing import quarantine

from .plan import Plan
from .sources import Sources
from .unit import read_item

log = logging.getLogger("assay")

ABOUT_THE_FILE = frozenset({"missing", "no_source", "changed"})
"""Statuses that say where the bytes were and nothing of the image; all others would be found again."""


def failed_before(store: Store, plan: Plan) -> tuple[RowFailure, ...]:
    """Return the rows without numbers of the units that a plan asks for and finds committed, each image once."""
    found: dict[str, RowFailure] = {}
    wanted: dict[str, frozenset[str]] = {}
    for view, _, commit in _committed(store, plan):
        if view not in wanted:
            wanted[view] = _images(plan, view)
        for failure in commit.failures:
            if failure.item in wanted[view]:
                found.setdefault(failure.item, failure)
    return tuple(found.values())


def reopen(store: Store, plan: Plan) -> int:
    """Put away the records of units with a failed row whose file can be read now, and return how many they were.

    Nothing is deleted: record and data go to `local/quarantine/`, the record first. Plan again after this.
    """
    sources = Sources(store)
    readable: dict[str, bool] = {}

    def is_back(failure: RowFailure) -> bool:
        if failure.status not in ABOUT_THE_FILE:
            return False
        if failure.item not in readable:
            readable[failure.item] = read_item(store, sources, failure.item)[0] is not None
        return readable[failure.item]

    reopened: set[Unit] = set()
    for _, unit, commit in _committed(store, plan):
        if unit in reopened or not any(is_back(failure) for failure in commit.failures):
            continue
        why = "some of its images had no numbers because their files were away; they are back"
        quarantine(store.disk, store.layout, store.layout.record(unit.kind, unit.label, unit.pack), why)
        for segment in commit.segments:
            folder = store.layout.segment(unit.kind, unit.label, segment.id)
            if store.disk.is_folder(folder):
                quarantine(store.disk, store.layout, folder, why)
        reopened.add(unit)
        log.debug("%s of %s, pack %s is extracted again", unit.kind, unit.label, unit.pack[:16])
    store.forget()
    return len(reopened)


def _committed(store: Store, plan: Plan) -> Iterator[tuple[str, Unit, Commit]]:
    """Yield the version, unit and record of everything that a plan asks for and that is there."""
    reader = Reader(store)
    for work in plan.works:
        for kind in work.request.kinds:
            for pack in work.request.packs if kind in IMAGE_KINDS else ():
                unit = reader.unit(kind, work.space, pack)
                commit = reader.commit(unit)
                if commit is not None:
                    yield work.view.id, unit, commit


def _images(plan: Plan, view: str) -> frozenset[str]:
    table = next(work.view.table for work in plan.works if work.view.id == view)
    return frozenset(table["image_id"].to_list())
