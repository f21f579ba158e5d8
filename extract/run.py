"""Carry a plan out: requests first, then units, each committed as it ends.

A worker writes its own units and returns a receipt; whoever calls it (this process, later a scheduler) only
counts receipts. Nothing here depends on locks: two runs of one plan do the same work twice at worst.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cache.commits import Outcome, RowFailure, Unit, write_commit
from cache.errors import IncompleteError
from cache.reader import Reader
from cache.requests import describe, write_request
from cache.runs import named_requests, new_run_id, write_end, write_start
from cache.segments import Compression, array_segments
from cache.spaces import write_space
from cache.store import Store
from cache.texts import write_text

from .backbones.protocol import Backbone, ZeroShot
from .plan import Plan, UnitPlan
from .progress import Meter, meter
from .sources import Sources
from .text_unit import TextWork, encode_text, head_stats, write_words
from .unit import Settings, compute_unit

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a worker says of a unit it has written."""

    unit: UnitPlan
    outcomes: dict[str, str]
    failures: tuple[RowFailure, ...]
    seconds: float
    largest_difference: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextReceipt:
    """What a worker says of the text of a space."""

    label: str
    sentences: int
    heads: int
    failures: tuple[RowFailure, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of a plan."""

    run: str
    receipts: tuple[Receipt, ...]
    models_constructed: int
    texts: tuple[TextReceipt, ...] = ()

    @property
    def failures(self) -> tuple[RowFailure, ...]:
        """Every row without numbers."""
        return tuple(failure for receipt in (*self.texts, *self.receipts) for failure in receipt.failures)

    def images_per_second(self) -> dict[str, float]:
        """Return the speed of each space, decoding and writing included."""
        images: dict[str, int] = {}
        seconds: dict[str, float] = {}
        for receipt in self.receipts:
            images[receipt.unit.label] = images.get(receipt.unit.label, 0) + receipt.unit.images
            seconds[receipt.unit.label] = seconds.get(receipt.unit.label, 0.0) + receipt.seconds
        return {label: round(count / max(seconds[label], 1e-9), 3) for label, count in images.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "run": self.run,
            "units": len(self.receipts),
            "images": sum(receipt.unit.images for receipt in self.receipts),
            "sentences": sum(receipt.sentences for receipt in self.texts),
            "heads": sum(receipt.heads for receipt in self.texts),
            "seconds": round(sum(receipt.seconds for receipt in self.receipts), 3),
            "models_constructed": self.models_constructed,
            "images_per_second": self.images_per_second(),
            "failures": [{"item": f.item, "status": f.status, "detail": f.detail} for f in self.failures],
            "nondeterminism": [
                {"space": r.unit.label, "pack": r.unit.pack, "kind": kind, "largest_difference": difference}
                for r in self.receipts
                for kind, difference in r.largest_difference.items()
            ],
        }


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

        result = compute_unit(self.store, self.sources, backbone, items, unit.kinds, self.settings, advance)
        outcomes: dict[str, str] = {}
        differences: dict[str, float] = {}
        for kind in unit.kinds:
            place = Unit(kind, unit.space, unit.label, unit.pack)
            segments = list(array_segments(kind, unit.space, unit.pack, result.arrays[kind], self.compress))
            with self.store.stage() as staged:
                outcome = write_commit(staged, place, segments, result.failures[kind], self.run)
            outcomes[kind] = outcome.value
            if outcome is Outcome.DIFFERENT:
                differences[kind] = self._difference(place, result.arrays[kind])
                log.warning(
                    "%s of %s, pack %s: another run committed other numbers (they differ by %.3g at most); it stays",
                    kind, unit.label, unit.pack[:16], differences[kind],
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
        sentences = work.sentences
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            shown.advance(rows - done)
            done = rows

        features = tower.encode(sentences, advance)
        failures: list[RowFailure] = []
        for made in encode_text(work, features):
            place = Unit(made.kind, space, label, made.pack)
            segments = list(array_segments(made.kind, space, made.pack, made.values, stats=head_stats(tower)))
            with self.store.stage() as staged:
                outcome = write_commit(staged, place, segments, made.failures, self.run)
            failures += made.failures
            if outcome is Outcome.DIFFERENT:
                log.warning("%s of %s, pack %s: another run committed other numbers; they stay",
                            made.kind, label, made.pack[:16])  # fmt: skip
        return TextReceipt(label, len(sentences), len(work.heads), tuple(failures), time.monotonic() - start)

    def _refuse_absent(self, unit: UnitPlan, items: Sequence[str]) -> None:
        # A folder that is not mounted, or indexed on another machine: rows without numbers would be there for good.
        if not any(self.store.disk.status(path) for item in items for path in self.sources.paths(item)):
            raise IncompleteError(
                f"not one of the {len(items)} images of pack {unit.pack[:16]} is on this machine where it was indexed. "
                "Mount or copy the folder again; if it moved, `assay-extract index DATASET --root DIR` finds it there."
            )

    def _difference(self, place: Unit, ours: np.ndarray[Any, Any]) -> float:
        largest = 0.0
        for start, theirs in Reader(self.store).segments(place):
            gap = np.abs(theirs.astype(np.float64) - ours[start : start + len(theirs)].astype(np.float64))
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
