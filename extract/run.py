"""Carry a plan out: requests first, then units, each committed as it ends.

A worker writes its own units and returns a receipt; whoever calls it (this process, later a scheduler) only
counts receipts. Nothing here depends on locks: two runs of one plan do the same work twice at worst.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cache.commits import Outcome, RowFailure, Unit, write_commit
from cache.errors import IncompleteError
from cache.reader import Reader
from cache.reading import read_sharded
from cache.requests import describe, write_request
from cache.runs import named_requests, new_run_id, write_end, write_start
from cache.segments import Compression, Segment, array_segments, segment_of_rows
from cache.spaces import write_space
from cache.store import Store
from cache.texts import write_text
from cache.writing import StagedFiles

from .backbones.protocol import Backbone, ZeroShot
from .plan import Plan, UnitPlan
from .progress import Meter, meter
from .receipts import Receipt, RunReport, TextReceipt
from .sources import Sources
from .text_unit import TextWork, encode_text, head_stats, text_stats, write_words
from .unit import Settings, compute_unit

log = logging.getLogger("assay")


class Worker:
    """Runs units of one store; holds one model at a time."""

    def __init__(self, store: Store, settings: Settings, run: str, compress: Compression = "none") -> None:
        self.store = store
        self.settings = settings
        self.run = run
        self.compress: Compression = compress
        self.reader = Reader(store)
        self.sources = Sources(store)
        self.constructed = 0
        self._loaded: Backbone | None = None

    def load(self, backbone: Backbone) -> None:
        """Put a model on the device, in place of the one before it."""
        if self._loaded is backbone:
            return
        self.close()
        backbone.load(self.settings.device)
        self.constructed += 1
        self._loaded = backbone

    def close(self) -> None:
        """Let the model go."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def work(self, backbone: Backbone, unit: UnitPlan, shown: Meter) -> Receipt:
        """Compute and commit one unit."""
        start = time.monotonic()
        items = self.reader.pack(unit.pack).items
        self._refuse_absent(unit, items)
        self.load(backbone)
        log.debug("unit %s of %s begins", unit.pack[:16], unit.label)
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            shown.advance(rows - done)
            done = rows

        outcomes: dict[str, str] = {}
        differences: dict[str, float] = {}
        segments: dict[str, list[Segment]] = {kind: [] for kind in unit.kinds}
        with self.store.stage() as staged:

            def take(kind: str, start: int, rows: np.ndarray[Any, Any]) -> None:
                segment = segment_of_rows(kind, unit.space, unit.pack, start, rows, self.compress)
                # On the disk from here on: patches of a pack are more than some machines' memory.
                segments[kind].append(replace(segment, files=staged.hold(segment.files)))

            result = compute_unit(self.store, self.sources, backbone, items, unit.kinds, self.settings, advance, take)
            for kind in unit.kinds:
                place = Unit(kind, unit.space, unit.label, unit.pack)
                outcome = write_commit(staged, place, segments[kind], result.failures[kind], self.run)
                outcomes[kind] = outcome.value
                if outcome is Outcome.DIFFERENT:
                    differences[kind] = self._difference(place, segments[kind])
                    log.warning(
                        "%s of %s, pack %s: another run committed other numbers (they differ by %.3g at most); it "
                        "stays", kind, unit.label, unit.pack[:16], differences[kind],
                    )  # fmt: skip
        failures = {failure.row: failure for kind in unit.kinds for failure in result.failures[kind]}
        log.debug("unit %s of %s is committed: %s", unit.pack[:16], unit.label, outcomes)
        return Receipt(unit, outcomes, tuple(failures.values()), time.monotonic() - start, differences)

    def encode(self, backbone: Backbone, label: str, space: str, work: TextWork, shown: Meter) -> TextReceipt:
        """Encode the sentences of a space and commit them, and the heads that they make."""
        start = time.monotonic()
        self.load(backbone)
        assert isinstance(backbone, ZeroShot)
        tower = backbone.text_tower()
        failures: list[RowFailure] = []
        encoded = 0
        for step in work.steps():
            done = 0

            def advance(rows: int) -> None:
                nonlocal done
                shown.advance(rows - done)
                done = rows

            features = tower.encode(step.sentences, advance)
            encoded += len(step.sentences)
            for made in encode_text(step, features):
                place = Unit(made.kind, space, label, made.pack)
                stats = text_stats(tower, step.new[made.pack]) if made.kind == "text" else head_stats(tower)
                segments = list(array_segments(made.kind, space, made.pack, made.values, stats=stats))
                with self.store.stage() as staged:
                    outcome = write_commit(staged, place, segments, made.failures, self.run)
                failures += made.failures
                if outcome is Outcome.DIFFERENT:
                    log.warning("%s of %s, pack %s: another run committed other numbers; they stay",
                                made.kind, label, made.pack[:16])  # fmt: skip
        return TextReceipt(label, encoded, len(work.heads), tuple(failures), time.monotonic() - start)

    def _refuse_absent(self, unit: UnitPlan, items: Sequence[str]) -> None:
        # A folder that is not mounted, or indexed on another machine: rows without numbers would be there for good.
        if not any(self.store.disk.status(path) for item in items for path in self.sources.paths(item)):
            raise IncompleteError(
                f"not one of the {len(items)} images of pack {unit.pack[:16]} is on this machine where it was indexed. "
                "Mount or copy the folder again; if it moved, `assay-extract index DATASET --root DIR` finds it there."
            )

    def _difference(self, place: Unit, ours: Sequence[Segment]) -> float:
        largest = 0.0
        for (_, theirs), segment in zip(Reader(self.store).segments(place), ours, strict=True):
            files = segment.files
            where = self.store.layout.segment(place.kind, place.label, segment.id)
            if isinstance(files, StagedFiles) and self.store.disk.is_folder(where):
                # Placed before the other run's record was seen; nothing refers to it.
                files = replace(files, folder=where)
            gap = np.abs(theirs.astype(np.float64) - read_sharded(files, slice(None), "ours").astype(np.float64))
            finite = gap[np.isfinite(gap)]
            largest = max(largest, float(finite.max(initial=0.0)))
        return largest


def run_plan(store: Store, plan: Plan, settings: Settings, compress: Compression = "none") -> RunReport:
    """Write the requests of a plan and do its units.

    Raises
    ------
    IncompleteError
        When data of a committed unit are gone; `repair` has to free the record first.
    """
    _refuse_lost(plan)
    run = new_run_id(store.disk)
    for work in plan.works:
        with store.stage() as staged:
            if work.candidate.classes is not None:
                write_text(staged, work.candidate.classes)
            write_words(staged, work.text)
            write_space(staged, work.space)
            write_request(staged, work.request)
        if work.other_bindings:
            log.warning(
                "%s on %s is now bound to more than one space; `score` will ask which:\n%s",
                work.candidate.name, work.view.name, describe([work.request, *work.other_bindings]),
            )  # fmt: skip
    store.forget()
    spaces = _by_space(plan)
    todo = any(space.units or space.sentences for space in spaces)
    if not todo and {work.request.digest for work in plan.works} <= named_requests(store.disk, store.layout):
        return RunReport("", (), 0)
    with store.stage() as staged:
        write_start(staged, run, [work.request.digest for work in plan.works], _settings(settings))
    worker = Worker(store, settings, run, compress)
    receipts: list[Receipt] = []
    texts: list[TextReceipt] = []
    try:
        images, sentences = (sum(unit.images for unit in plan.units), sum(len(space.sentences) for space in spaces))
        with meter("extracting", images + sentences, "images and sentences" if sentences else "images") as shown:
            for space in spaces:
                # Text first: it is short, and a tokenizer that is not here is known before the images are read.
                if space.sentences:
                    texts.append(worker.encode(space.backbone, space.label, space.id, space.text, shown))
                for unit in space.units:
                    receipts.append(worker.work(space.backbone, unit, shown))
    finally:
        worker.close()
        report = RunReport(run, tuple(receipts), worker.constructed, tuple(texts))
        with store.stage() as staged:
            write_end(staged, run, report.to_json())
    return report


def _settings(settings: Settings) -> dict[str, Any]:
    return {"batch_size": settings.batch_size, "workers": settings.workers, "device": settings.device}


def _refuse_lost(plan: Plan) -> None:
    lost = [f"{kind} of {unit.label}, pack {unit.pack[:16]}" for unit in plan.units for kind in unit.lost]
    lost += [f"{kind} of {work.space.label}, pack {pack[:16]}" for work in plan.works for kind, pack in work.text.lost]
    if lost:
        raise IncompleteError(
            f"{len(lost)} unit(s) have a record but their data are gone, the first is {lost[0]}. "
            "`assay-cache repair` puts those records away; then this command extracts them again."
        )


@dataclass(slots=True)
class _Space:
    """Everything to do with one model: one load."""

    id: str
    label: str
    backbone: Backbone
    text: TextWork
    units: list[UnitPlan]

    @property
    def sentences(self) -> tuple[str, ...]:
        return self.text.sentences


def _by_space(plan: Plan) -> list[_Space]:
    """Return the work of every space, each distinct unit and sentence once."""
    spaces: dict[str, _Space] = {}
    for work in plan.works:
        new = _Space(work.space.id, work.space.label, work.candidate.backbone, TextWork(), [])
        space = spaces.setdefault(work.space.id, new)
        space.text = space.text.joined(work.text)
    for unit in plan.units:
        spaces[unit.space].units.append(unit)
    return list(spaces.values())
