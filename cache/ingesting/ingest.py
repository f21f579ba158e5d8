"""`ingest`: numbers that were made elsewhere become units of the store, or nothing does.

Everything is read, matched and checked before the first byte is written.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cache.commits import Outcome, write_commit
from cache.errors import IncompleteError
from cache.ingested import Origin, ingested_space, same_origin
from cache.reader import Reader, State
from cache.requests import Request, same_binding, write_request
from cache.runs import named_requests, new_run_id, write_end, write_start
from cache.spaces import Space, write_space
from cache.store import Store
from cache.texts import write_text
from cache.views import View
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import FACTS

from .answers import ingest_answers
from .asked import OF_FORM, Given, IngestRequest, check_options, models_of
from .checks import Numbers, checked
from .matching import Matched, match_rows
from .sources import Source, read_sources
from .units import units_of

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of one model.

    extra
        How many rows are of no sample.
    packs
        Units that were written; 0: everything was there.
    """

    model: str
    dataset: str
    kind: str
    space: str
    request: str
    rows: int
    extra: int
    packs: int
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Ready:
    """One model, matched and checked."""

    origin: Origin
    space: Space
    request: Request
    given: Given
    numbers: Numbers
    matched: Matched


def ingest(store: Store, catalogue: Catalogue, ask: IngestRequest) -> tuple[IngestReport, ...]:
    """Ingest files.

    Raises
    ------
    UsageError
        For files, rows or options that do not fit, and for other numbers than are bound.
    IncompleteError
        When a sample of the dataset has no row.
    """
    check_options(catalogue, ask)
    view = _view(store, ask.dataset)
    sources = read_sources(ask.files)
    if ask.kind == "records":
        request, rows, packs = ingest_answers(store, _facts(catalogue, ask), ask, view, sources)
        return (IngestReport(ask.model, ask.dataset, ask.kind, request.label, request.digest, rows, 0, packs),)
    given = models_of(store, catalogue, ask, view, sources)
    ready = [_prepare(store, catalogue, ask, view, sources, one) for one in given]
    held = [_held(store, view, one) for one in ready]
    return tuple(
        _report(store, one, done, 0) if done else _report(store, one, one.request, _write(store, view, one, sources))
        for one, done in zip(ready, held, strict=True)
    )


def _view(store: Store, dataset: str) -> View:
    if dataset not in store.datasets():
        raise UsageError(
            f"the store knows no dataset {dataset!r}, so rows have nothing to meet. `assay-extract index {dataset} "
            f"--root DIR` indexes its images; without them, `assay-extract index {dataset} --listing FILE` lists its "
            "samples (annotated sets such as imagenet-x need no --listing)."
        )
    return store.version(dataset)


def _facts(catalogue: Catalogue, ask: IngestRequest) -> dict[str, Any]:
    known = catalogue.models.get(ask.model)
    if known is None:
        return {"group": ask.group or "other"}
    said = ((name, getattr(known, name)) for name in FACTS)
    return {name: value for name, value in said if value not in (None, "")}


def _prepare(
    store: Store,
    catalogue: Catalogue,
    ask: IngestRequest,
    view: View,
    sources: Sequence[Source],
    given: Given,
) -> _Ready:
    rows, classes = given.rows, given.classes
    matched = match_rows(rows, view, OF_FORM[ask.form][1])
    numbers = checked(rows, matched, view, classes, none_allowed=ask.form == "model-vs-human")
    hashes = [source.sha256 for source in sources]
    # Rows that name their samples stand for the same numbers in whatever order their files are given.
    named = rows.samples is not None
    order = () if ask.order is None else read_sources((ask.order,))
    origin = Origin(
        model=given.model,
        dataset=ask.dataset,
        kind=ask.kind,
        layout=ask.form or "table",
        files=(*(sorted(hashes) if named else hashes), *(source.sha256 for source in order)),
        classes="" if classes is None else classes.id,
    )
    space = ingested_space(origin, view, [source.name for source in sources])
    request = Request(
        verb="ingest",
        model=given.model,
        facts=_facts(catalogue, ask),
        dataset=view.name,
        version=view.id,
        kinds=(ask.kind,),
        space=space.id,
        label=space.label,
        packs=Reader(store).needed_packs(view),
        classes=origin.classes,
    )
    return _Ready(origin, space, request, given, numbers, matched)


def _held(store: Store, view: View, ready: _Ready) -> Request | None:
    """Return the request under which the same numbers are wholly here.

    Raises
    ------
    UsageError
        When other numbers are bound to the same model, dataset and kind.
    IncompleteError
        When data of the same numbers were lost.
    """
    ours, kind = ready.request, ready.origin.kind
    reader = Reader(store)
    started = named_requests(store.disk, store.layout)
    here = None
    for bound in store.requests().settled():
        if not bound.binds or _pair(bound) != _pair(ours) or kind not in bound.kinds:
            continue
        space = store.space(bound.label)
        same = same_origin(space, ready.origin) and dict(bound.facts) == dict(ours.facts)
        whole = same and bound.digest in started and _is_whole(reader, view, kind, space)
        if whole:
            here = here or bound
        elif not same_binding(bound, ours):
            raise UsageError(
                f"{ours.model} on {ours.dataset} is bound to other {kind} already (space {bound.label}, request "
                f"{bound.digest[:16]}). The first stay until `assay-cache retire {bound.digest[:16]}` unbinds them; "
                "or give these another --model id."
            )
    return here


def _is_whole(reader: Reader, view: View, kind: str, space: Space) -> bool:
    """Tell whether every sample has numbers in a space.

    Raises
    ------
    IncompleteError
        When some were lost, which nothing but a repair mends.
    """
    seen = reader.followed(kind, space, view)
    whole = True
    for pack, (_, rows) in reader.positions(seen).items():
        unit = reader.unit(kind, space, pack)
        state = reader.state(unit)
        if state is State.LOST:
            raise IncompleteError(
                f"{kind} of {space.label} were ingested and their data are gone; `assay-cache repair`, then the same "
                "command again."
            )
        commit = reader.commit(unit)
        failed = set() if commit is None else {failure.row for failure in commit.failures}
        whole = whole and commit is not None and not failed.intersection(rows.tolist())
    return whole


def _write(store: Store, view: View, ready: _Ready, sources: Sequence[Source]) -> int:
    """Write request, beginning, units and end; return how many units are new."""
    reader = Reader(store)
    files = [{"name": source.name, "sha256": source.sha256, "size": len(source.data)} for source in sources]
    written = 0
    with store.stage() as staged:
        if ready.given.classes is not None:
            write_text(staged, ready.given.classes)
        write_space(staged, ready.space)
        digest = write_request(staged, ready.request)
        run = new_run_id(store.disk)
        write_start(staged, run, [digest], {"verb": "ingest", "files": files})
        for one in units_of(reader, view, ready.origin.kind, ready.space, ready.numbers):
            unit = reader.unit(ready.origin.kind, ready.space, one.pack)
            outcome = write_commit(staged, unit, one.segments, one.failures, run)
            if outcome is Outcome.DIFFERENT:
                log.warning("%s of pack %s were there in other bytes; the first stay", unit.kind, one.pack[:16])
            written += outcome is Outcome.WRITTEN
        write_end(staged, run, {"units": written})
    store.forget()
    return written


def _report(store: Store, ready: _Ready, request: Request, packs: int) -> IngestReport:
    notes = []
    if ready.matched.extra:
        first = ready.matched.extra[0]
        notes.append(
            f"{len(ready.matched.extra)} rows are of no sample of {request.dataset} and were ignored ({first!r}, say)"
        )
    if ready.origin.kind == "logits" and ready.given.classes is None:
        notes.append("what the columns stand for is not known, so there will be no accuracy; --classes FILE says it")
    bound = {
        one.label for one in store.requests().settled() if one.binds and (one.model, one.dataset) == _pair(request)
    }
    if others := sorted(bound - {request.label}):
        notes.append(
            f"{request.model} on {request.dataset} is bound to {', '.join(others)} too; tables need `--space "
            f"{request.label}` to know that these are meant"
        )
    return IngestReport(
        model=request.model,
        dataset=request.dataset,
        kind=ready.origin.kind,
        space=request.label,
        request=request.digest,
        rows=len(ready.matched.index),
        extra=len(ready.matched.extra),
        packs=packs,
        notes=tuple(notes),
    )


def _pair(request: Request) -> tuple[str, str]:
    return request.model, request.dataset
