"""Answers of a language model elsewhere: lines of a questions file, each with what the model said.

All lines are read and checked before a byte is written: every question is one of the dataset's images, is the question
that its id says, and every image of a list was asked about in all the orders that the files hold.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from cache.bindings import asked_pairs
from cache.commits import Outcome, write_commit
from cache.errors import IncompleteError
from cache.ingested import Origin, ingested_space
from cache.reader import Reader, State
from cache.reading import parse_table
from cache.record_packs import cut, write_record_packs
from cache.records import Answer, Question, Record, records_table
from cache.requests import Request, write_request
from cache.runs import named_requests, new_run_id, write_end, write_start
from cache.segments import table_segment
from cache.spaces import Space, write_space
from cache.store import Store
from cache.texts import ClassList, read_classes
from cache.views import View
from manifests.errors import AssayError, UsageError

from .sources import Source

if TYPE_CHECKING:
    from .asked import IngestRequest

log = logging.getLogger("assay")

SUFFIXES = (".jsonl", ".parquet")


def read_answers(sources: Sequence[Source]) -> list[Record]:
    """Return the records of files of answered questions.

    Raises
    ------
    UsageError
        Naming the first line that is none, or that contradicts another one.
    """
    found: dict[str, Record] = {}
    for source in sources:
        for where, values in _lines(source):
            try:
                question = Question.from_json(values)
                answer = Answer.from_json(values, len(question.options))
            except ValueError as error:
                raise UsageError(f"{where}: {error}. Nothing was written.") from None
            if values.get("request") not in (None, question.id):
                raise UsageError(
                    f"{where}: its question is another one than its id says; leave the fields of a question as "
                    "`assay-analyze questions` wrote them. Nothing was written."
                )
            if (before := found.get(question.id)) is not None and before.answer != answer:
                raise UsageError(f"{where}: the same question has another answer before. Nothing was written.")
            found[question.id] = Record(question, answer)
    return list(found.values())


def _lines(source: Source) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if source.suffix == ".parquet":
        try:
            table = parse_table(source.data, source.name)
        except AssayError as error:
            raise UsageError(f"{source.name} is no Parquet file that can be read: {error}") from None
        if "answer" not in table.columns or table["answer"].dtype != pl.String:
            raise UsageError(f"{source.name}: expected the columns of a questions file and `answer`.")
        for row, values in enumerate(table.iter_rows(named=True), 1):
            yield f"{source.name} row {row}", values
        return
    if source.suffix not in SUFFIXES:
        raise UsageError(f"{source.name}: --kind records takes {' or '.join(SUFFIXES)}, one answered question a line.")
    for row, line in enumerate(source.data.decode("utf-8-sig", "replace").splitlines(), 1):
        if line.strip():
            try:
                values = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{source.name} line {row}: no JSON ({error}). Nothing was written.") from None
            if not isinstance(values, dict):
                raise UsageError(f"{source.name} line {row}: expected an object, got {line[:60]!r}.")
            yield f"{source.name} line {row}", values


def in_view_order(records: Sequence[Record], view: View) -> list[Record]:
    """Return records by list, order of options and image, so that equal answers make equal packs.

    Raises
    ------
    UsageError
        When a question is about no image of the dataset.
    IncompleteError
        When of a list some image was asked about in some orders of its options and not in all that the files hold.
    """
    place: dict[str, int] = {}
    for row, image in enumerate(view.table["image_id"].to_list()):
        place.setdefault(image, row)
    stray = [record for record in records if record.question.image_id not in place]
    if stray or not records:
        raise UsageError(
            f"{len(stray)} of {len(records)} questions are about no image of {view.name}"
            + (f" (image {stray[0].question.image_id[:16]}, say)" if stray else "")
            + "; is it another version, or another dataset? Nothing was written."
        )
    asked: dict[str, dict[int, set[str]]] = {}
    for record in records:
        orders = asked.setdefault(record.question.list, {})
        orders.setdefault(record.question.rotation, set()).add(record.question.image_id)
    for name, orders in sorted(asked.items()):
        every = set().union(*orders.values())
        for rotation, images in sorted(orders.items()):
            if len(images) != len(every):
                raise IncompleteError(
                    f"of the questions under the list of {name} with the right option at place {rotation + 1}, "
                    f"{len(every) - len(images)} of {len(every)} have no answer. Nothing was written."
                )
        if len(every) < len(place):
            log.warning(
                "under the list of %s, %d of %d images of %s were asked about", name, len(every), len(place), view.name
            )
    return sorted(records, key=lambda one: (one.question.list, one.question.rotation, place[one.question.image_id]))


def _check_truth(records: Sequence[Record], view: View, classes: ClassList) -> None:
    """Compare what questions take for right with the dataset's labels."""
    right: dict[str, set[str]] = {}
    for image, label in view.table.select("image_id", "label").rows():
        if label is not None:
            right.setdefault(image, set()).add(classes.names[label])
    for record in records:
        question = record.question
        if question.image_id in right and question.truth not in right[question.image_id]:
            raise UsageError(
                f"a question about image {question.image_id[:16]} takes {question.truth!r} for right; {view.name} says "
                f"{', '.join(sorted(right[question.image_id]))}. Nothing was written."
            )


def ingest_answers(
    store: Store, facts: Mapping[str, Any], ask: IngestRequest, view: View, sources: Sequence[Source]
) -> tuple[Request, int, int]:
    """Write answered questions as units.

    Parameters
    ----------
    facts
        What tables say of the model.

    Returns
    -------
    request, rows, packs
        Packs that are new; 0: everything was there.

    Raises
    ------
    UsageError
        For lines that do not fit, or when other answers are bound to the same model.
    IncompleteError
        When an image was not asked about, or data of the same answers were lost.
    """
    records = in_view_order(read_answers(sources), view)
    if view.classes:
        _check_truth(records, view, read_classes(store.disk, store.layout, view.classes))
    answers = {record.question.id: record.answer for record in records}
    packs = cut([record.question for record in records])
    files = tuple(sorted(source.sha256 for source in sources))
    origin = Origin(model=ask.model, dataset=view.name, kind="records", layout="answers", files=files)
    space = ingested_space(origin, view, [source.name for source in sources])
    request = Request(
        verb="ingest",
        model=ask.model,
        facts=facts,
        dataset=view.name,
        version=view.id,
        kinds=("records",),
        space=space.id,
        label=space.label,
        packs=Reader(store).needed_packs(view),
        extra={"records": tuple(packs)},
    )
    if _held(store, request, space):
        return request, len(records), 0
    written = 0
    with store.stage() as staged:
        write_space(staged, space)
        write_record_packs(staged, packs)
        digest = write_request(staged, request)
        run = new_run_id(store.disk)
        said = [{"name": source.name, "sha256": source.sha256, "size": len(source.data)} for source in sources]
        write_start(staged, run, [digest], {"verb": "ingest", "files": said})
        for pack, questions in packs.items():
            table = records_table(questions, [answers[question.id] for question in questions], [])
            unit = Reader(store).unit("records", space, pack)
            outcome = write_commit(staged, unit, [table_segment("records", space.id, pack, table)], [], run)
            written += outcome is Outcome.WRITTEN
        write_end(staged, run, {"units": written})
    store.forget()
    return request, len(records), written


def _held(store: Store, request: Request, space: Space) -> bool:
    """Tell whether the same answers are wholly here; see `ingest_answers` for what it raises."""
    for bound in asked_pairs(store).get((request.model, request.dataset), ()):
        if "records" in bound.kinds and (bound.space, dict(bound.facts)) != (request.space, dict(request.facts)):
            raise UsageError(
                f"{request.model} on {request.dataset} is bound to other records already (space {bound.label}, request "
                f"{bound.digest[:16]}). The first stay until `assay-cache retire {bound.digest[:16]}` unbinds them; "
                "give all files of one model at once, or these another --model id."
            )
    reader = Reader(store)
    states = [reader.state(reader.unit("records", space, pack)) for pack in request.packs_of("records")]
    if State.LOST in states:
        raise IncompleteError(
            f"records of {space.label} were ingested and their data are gone; `assay-cache repair`, then the same "
            "command again."
        )
    return request.digest in named_requests(store.disk, store.layout) and set(states) == {State.HERE}
