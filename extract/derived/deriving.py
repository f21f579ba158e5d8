"""Committing a derived model: a space of its own, numbers for every pack of its base, and a request that binds it.

The order is that of `run`: texts, space and request first, then the run record, then units, each as it ends. What is
there already is not computed again. Knows no adapter: a recipe brings the arithmetic.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cache.commits import Outcome, RowFailure, Unit, write_commit
from cache.errors import IncompleteError
from cache.reader import Reader, State
from cache.remedies import DERIVED
from cache.requests import Request, describe, same_binding, write_request
from cache.runs import named_requests, new_run_id, versions, write_end, write_start
from cache.segments import array_segments
from cache.spaces import Space, write_space
from cache.store import Store
from cache.texts import ClassList, Prompts, write_text
from cache.zero_shot import Head
from extract.text_unit import HeadJob, TextWork, write_words

from .parents import Parent, segment_ids

log = logging.getLogger("assay")

DERIVED_SCHEMA: Final = 1
"""Bumped by hand when an adapter's numbers change for equal input."""

Arithmetic = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How rows of one feature space become rows of a derived one.

    adapter
        `tip-adapter`, `coop`, ...
    identity
        What besides adapter and parent determines the numbers: parameters, digests of files, tuning.
    classes
        What the logit columns, or the columns of `head`, stand for.
    rows
        `(n, d)` finite embeddings to `(n, c)` logits; None keeps the embeddings, for a model that is another `head`.
    head
        The head of such a model, with the prompts that name it.
    inputs
        Segments that were read besides the embeddings.
    """

    adapter: str
    identity: Mapping[str, Any]
    classes: ClassList
    rows: Arithmetic | None = None
    head: tuple[Prompts, Head] | None = None
    inputs: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of image rows that it yields."""
        return "embeddings" if self.rows is None else "logits"


@dataclass(frozen=True, slots=True)
class Named:
    """What tables will say of the model."""

    model: str
    facts: Mapping[str, Any]
    provenance: Mapping[str, Any]


@dataclass(slots=True)
class Report:
    """What became of a conversion."""

    run: str = ""
    spaces: dict[str, str] = field(default_factory=dict)
    units: int = 0
    images: int = 0
    failures: list[RowFailure] = field(default_factory=list)


def derived_space(parent: Space, recipe: Recipe, provenance: Mapping[str, Any]) -> Space:
    """Return the space of a derived model: its parent by id, the adapter, and everything that moves its numbers."""
    architecture = parent.identity.get("architecture", {})
    name = architecture.get("name", "") if isinstance(architecture, dict) else ""
    identity = {
        "library": DERIVED,
        "architecture": {"name": f"{recipe.adapter} {name}".strip()},
        "adapter": recipe.adapter,
        "parent": parent.id,
        **recipe.identity,
        "classes": recipe.classes.id,
        "outputs": {recipe.kind: {"dtype": "float32"}},
        "dtype": {"compute": "float32"},
        "derived_schema": DERIVED_SCHEMA,
    }
    return Space(identity, {**provenance, "versions": versions()})


def derive(
    store: Store, reader: Reader, parents: Sequence[Parent], named: Named, recipe_of: Callable[[Space], Recipe]
) -> Report:
    """Compute and commit a derived model on the datasets of its base.

    Parameters
    ----------
    recipe_of
        The recipe in one of the base's spaces; a dataset with a pixel step of its own has another one.

    Raises
    ------
    IncompleteError
        When data that were derived before are gone; `repair` has to free the record first.
    """
    made: dict[str, tuple[Recipe, Space]] = {}
    todo: list[tuple[Parent, Recipe, Space, Request]] = []
    for parent in parents:
        if parent.space.id not in made:
            recipe = recipe_of(parent.space)
            made[parent.space.id] = (recipe, derived_space(parent.space, recipe, named.provenance))
        recipe, space = made[parent.space.id]
        todo.append((parent, recipe, space, _request(named, parent, recipe, space)))
    report = Report(spaces={parent.view.name: space.label for parent, _, space, _ in todo})
    missing: dict[str, dict[tuple[str, str], None]] = {}
    for parent, recipe, space, request in todo:
        missing.setdefault(space.id, {}).update(dict.fromkeys(_missing(reader, space, parent.packs, recipe)))
        _bind(store, recipe, space, request)
    store.forget()
    requests = [request.digest for *_, request in todo]
    if not any(missing.values()) and set(requests) <= named_requests(store.disk, store.layout):
        return report
    report.run = new_run_id(store.disk)
    with store.stage() as staged:
        write_start(staged, report.run, requests, {"adapter": todo[0][1].adapter})
    try:
        for parent, recipe, space, _ in todo:
            for kind, pack in missing.pop(space.id, {}):
                if kind == "heads":
                    _commit_head(store, recipe, space, report)
                else:
                    _commit_rows(store, reader, parent.space, recipe, space, pack, report)
    finally:
        with store.stage() as staged:
            write_end(staged, report.run, _outcome(report))
    return report


def _outcome(report: Report) -> dict[str, Any]:
    failures = [{"item": f.item, "status": f.status, "detail": f.detail} for f in report.failures]
    return {"units": report.units, "images": report.images, "failures": failures}


def _job(recipe: Recipe) -> HeadJob | None:
    return None if recipe.head is None else HeadJob(recipe.head[0], recipe.classes)


def _request(named: Named, parent: Parent, recipe: Recipe, space: Space) -> Request:
    job = _job(recipe)
    return Request(
        verb="convert",
        model=named.model,
        facts=named.facts,
        dataset=parent.view.name,
        version=parent.view.id,
        kinds=(recipe.kind,) if job is None else (recipe.kind, "heads"),
        space=space.id,
        label=space.label,
        packs=parent.packs,
        classes=recipe.classes.id if job is None else "",
        heads=() if job is None else ((job.prompts.id, job.classes.id),),
        extra={} if job is None else {"heads": (job.pack,)},
    )


def _missing(reader: Reader, space: Space, packs: Sequence[str], recipe: Recipe) -> list[tuple[str, str]]:
    job = _job(recipe)
    units = [*([] if job is None else [("heads", job.pack)]), *((recipe.kind, pack) for pack in packs)]
    states = {unit: reader.state(reader.unit(unit[0], space, unit[1])) for unit in units if _indexed(reader, unit)}
    lost = [unit for unit, state in states.items() if state is State.LOST]
    if lost:
        raise IncompleteError(
            f"{len(lost)} unit(s) of {space.label} have a record but their data are gone, the first is {lost[0][0]} of "
            f"pack {lost[0][1][:16]}. `assay-cache repair` puts those records away; then this command makes them again."
        )
    return [unit for unit in units if states.get(unit) is not State.HERE]


def _indexed(reader: Reader, unit: tuple[str, str]) -> bool:
    # The pack of a head is written together with its first request.
    return reader.store.disk.status(reader.store.layout.pack(unit[1])) is not None


def _bind(store: Store, recipe: Recipe, space: Space, request: Request) -> None:
    others = [
        other
        for other in store.requests().live
        if other.binds
        and (other.model, other.dataset) == (request.model, request.dataset)
        and not same_binding(other, request)
    ]
    with store.stage() as staged:
        if (job := _job(recipe)) is None:
            write_text(staged, recipe.classes)
        else:
            write_words(staged, TextWork(asked=(job,)))
        write_space(staged, space)
        write_request(staged, request)
    if others:
        log.warning(
            "%s on %s is now bound to more than one space; `score` will ask which:\n%s",
            request.model, request.dataset, describe([request, *others]),
        )  # fmt: skip


def _commit_head(store: Store, recipe: Recipe, space: Space, report: Report) -> None:
    assert recipe.head is not None
    job = HeadJob(recipe.head[0], recipe.classes)
    head = recipe.head[1]
    stats = {"logit_scale": head.scale, "logit_bias": head.bias}
    segments = list(array_segments("heads", space.id, job.pack, head.weights[None], stats=stats))
    _commit(store, Unit("heads", space.id, space.label, job.pack), segments, [], report, recipe.inputs)


def _commit_rows(
    store: Store, reader: Reader, parent: Space, recipe: Recipe, space: Space, pack: str, report: Report
) -> None:
    unit = reader.unit("embeddings", parent, pack)
    embeddings = np.concatenate([values for _, values in reader.segments(unit)]).astype(np.float32)
    commit = reader.commit(unit)
    failures = [] if commit is None else list(commit.failures)
    failed = {failure.row for failure in failures}
    there = np.asarray([row for row in range(len(embeddings)) if row not in failed], np.int64)
    # An embedding of zeros has no direction, and so no cosine with anything.
    directed = np.abs(embeddings[there]).max(axis=1, initial=0) > 0
    usable, flat = there[directed], there[~directed]
    values = embeddings
    items = reader.pack(pack).items
    if recipe.rows is not None:
        values = np.full((len(embeddings), len(recipe.classes.keys)), np.nan, np.float32)
        if usable.size:
            values[usable] = recipe.rows(embeddings[usable])
        why = "the embedding is zero, or the adapter's output is not finite"
        bad = [int(row) for row in (*flat, *usable[~np.isfinite(values[usable]).all(axis=1)])]
        failures += [RowFailure(row, items[row], "not_finite", why) for row in sorted(bad)]
    segments = list(array_segments(recipe.kind, space.id, pack, values))
    inputs = (*segment_ids(reader, "embeddings", parent, pack), *recipe.inputs)
    _commit(store, Unit(recipe.kind, space.id, space.label, pack), segments, failures, report, inputs)
    report.units += 1
    report.images += len(items)
    report.failures += failures


def _commit(
    store: Store, unit: Unit, segments: list[Any], failures: list[RowFailure], report: Report, inputs: tuple[str, ...]
) -> None:
    with store.stage() as staged:
        outcome = write_commit(staged, unit, segments, failures, report.run, inputs)
    if outcome is Outcome.DIFFERENT:
        log.warning("%s of %s, pack %s: another run committed other numbers; they stay",
                    unit.kind, unit.label, unit.pack[:16])  # fmt: skip
