"""Ask a language model: requests first, then packs of questions, each committed as it ends.

What is there is not asked again. A question whose image cannot be read keeps its row and says why.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cache.commits import Outcome, RowFailure, write_commit
from cache.errors import IncompleteError
from cache.reader import Reader, State
from cache.record_packs import write_record_packs
from cache.records import Answer, Question, records_table
from cache.requests import Request, write_request
from cache.runs import named_requests, new_run_id, versions, write_end, write_start
from cache.segments import table_segment
from cache.spaces import Space, write_space
from cache.store import Store
from cache.views import View
from extract.intake import decode
from extract.progress import Meter, meter
from extract.sources import Sources
from extract.unit import read_item

from .language_model import LanguageModel

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True)
class AskReport:
    """What became of the questions.

    asked
        Questions that were answered now; those of earlier runs stay as they are.
    """

    run: str
    space: str
    units: int
    asked: int
    seconds: float
    failures: tuple[RowFailure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        failed = [{"item": f.item, "status": f.status, "detail": f.detail} for f in self.failures]
        return {
            "run": self.run,
            "space": self.space,
            "units": self.units,
            "questions": self.asked,
            "seconds": round(self.seconds, 3),
            "failures": failed,
        }


def ask(
    store: Store,
    model: LanguageModel,
    name: str,
    facts: Mapping[str, Any],
    view: View,
    packs: Mapping[str, Sequence[Question]],
    device: str,
    weights: str = "",
) -> AskReport:
    """Ask everything that was not asked yet.

    Parameters
    ----------
    name, facts
        What tables call the model and say of it.
    weights
        Where its files came from, for the provenance.

    Raises
    ------
    IncompleteError
        When data of a committed unit are gone, or no image of a unit is on this machine.
    """
    reader = Reader(store)
    space = Space(model.identity(), {"weights": weights, "versions": versions()})
    request = Request(
        verb="run",
        model=name,
        facts=facts,
        dataset=view.name,
        version=view.id,
        kinds=("records",),
        space=space.id,
        label=space.label,
        packs=reader.needed_packs(view),
        extra={"records": tuple(packs)},
    )
    states = {pack: reader.state(reader.unit("records", space, pack)) for pack in packs}
    if lost := [pack for pack, state in states.items() if state is State.LOST]:
        raise IncompleteError(
            f"{len(lost)} unit(s) of {space.label} have a record but their data are gone. `assay-cache repair` puts "
            "those records away; then this command asks again."
        )
    todo = [pack for pack, state in states.items() if state is State.ABSENT]
    with store.stage() as staged:
        write_space(staged, space)
        write_record_packs(staged, packs)
        write_request(staged, request)
    store.forget()
    earlier = tuple(failure for pack in packs if pack not in todo for failure in _failures(store, space, pack))
    if not todo and request.digest in named_requests(store.disk, store.layout):
        return AskReport("", space.label, 0, 0, 0.0, earlier)
    run = new_run_id(store.disk)
    with store.stage() as staged:
        write_start(staged, run, [request.digest], {"device": device, "batch_size": 1})
    start, done, failed = time.monotonic(), 0, list(earlier)
    total = sum(len(packs[pack]) for pack in todo)
    try:
        if todo:
            model.load(device)
        with meter("asking", total, "questions") as shown:
            for pack in todo:
                failed += _unit(store, Sources(store), model, space, pack, packs[pack], run, shown)
                done += 1
    finally:
        model.close()
        asked = sum(len(packs[pack]) for pack in todo[:done])
        report = AskReport(run, space.label, done, asked, time.monotonic() - start, tuple(failed))
        with store.stage() as staged:
            write_end(staged, run, report.to_json())
    return report


def _failures(store: Store, space: Space, pack: str) -> tuple[RowFailure, ...]:
    reader = Reader(store)
    commit = reader.commit(reader.unit("records", space, pack))
    return () if commit is None else commit.failures


def _unit(
    store: Store,
    sources: Sources,
    model: LanguageModel,
    space: Space,
    pack: str,
    questions: Sequence[Question],
    run: str,
    shown: Meter,
) -> list[RowFailure]:
    """Ask the questions of a pack and commit the answers; return those that have none."""
    answers: list[Answer | None] = []
    failures: list[RowFailure] = []
    if not any(store.disk.status(path) for question in questions for path in sources.paths(question.image_id)):
        raise IncompleteError(
            f"not one image of the {len(questions)} questions of pack {pack[:16]} is on this machine where it was "
            "indexed. Mount or copy the folder again, or `assay-extract index DATASET --root DIR`."
        )
    for row, question in enumerate(questions):
        data, status, detail = read_item(store, sources, question.image_id)
        image = None
        if data is not None:
            decoded = decode(data)
            image, status, detail = decoded.image, decoded.status, decoded.detail
        if image is None:
            failures.append(RowFailure(row, question.id, status, detail))
        answers.append(None if image is None else model.answer(image, question))
        shown.advance(1)
    table = records_table(questions, answers, failures)
    unit = Reader(store).unit("records", space, pack)
    with store.stage() as staged:
        outcome = write_commit(staged, unit, [table_segment("records", space.id, pack, table)], failures, run)
    if outcome is Outcome.DIFFERENT:
        log.warning("records of %s, pack %s: another run committed other answers; they stay", space.label, pack[:16])
    log.debug("unit %s of %s is committed: %s", pack[:16], space.label, outcome.value)
    return failures
