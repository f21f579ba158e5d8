"""`score`: every metric that the asked-for cells allow.

Joins cells, labels and metrics; computes nothing itself. A cell is computed whole or not at all, unless a partial
answer was asked for. One model is held at a time, so that memory does not grow with the study.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.errors import FailedItemsError
from cache.reader import Reader
from cache.store import Store
from cache.texts import ClassList, read_classes
from manifests.catalogue import Catalogue

from .applicable import Applicable, applicable
from .asked import Ask, Roles
from .breakdown import Breakdown
from .cell import Cell, Missing
from .cells import find_cells
from .detecting import Detecting
from .fitting import Fitting
from .imagenet_d_rows import ImagenetDRows
from .label_check import check_labels, label_note
from .left_out import say_excluded, say_failed
from .lessons import Lessons
from .measure import Measured, measure
from .option_lists import OptionLists
from .pair_scores import score_pairs
from .predicted import applicable_to_decisions
from .record_rows import record_rows
from .results import Key, OnFailure, as_they_stand, classification, under_protocol
from .retrieval_rows import retrieval_rows
from .scores import Keeper
from .table import Result, to_table
from .view_labels import label_columns, unknown_classes, view_labels

DEFAULT_FITTING = Fitting()
Visit = Callable[[Cell, Measured], None]
"""Sees the per-image numbers of each cell that counts, once, before they are let go."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The answer of `score`.

    cells
        What was computed.
    failed
        Cells left out because images could not be read.
    notes
        What a reader of the table should know: images left out, datasets whose classes a model does not have.
    """

    table: pl.DataFrame
    missing: tuple[Missing, ...]
    failed: tuple[str, ...]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = field(default=())


def score(
    store: Store,
    catalogue: Catalogue,
    ask: Ask,
    *,
    on_failure: OnFailure = "error",
    keep_scores: bool = False,
    visit: Visit = lambda cell, measured: None,
    fitting: Fitting = DEFAULT_FITTING,
    option_lists: Sequence[str] = (),
) -> Scored:
    """Compute the results table.

    Parameters
    ----------
    on_failure
        What to do with images that have no numbers.
    keep_scores
        Write per-image scores into the store, where it can be written to.
    visit
        Called for each cell that counts.
    fitting
        How temperatures and detectors are fitted.
    option_lists
        Models whose lists questions with options are asked with; none: a model's own, and the paper's that are here.

    Raises
    ------
    UsageError, IncompleteError, IntegrityError
        As `find_cells` and the reader do.
    """
    reader = Reader(store)
    found = find_cells(store, reader, catalogue, ask)
    keeper = Keeper(store, reader) if keep_scores else None
    lists = OptionLists(store, reader, catalogue, tuple(option_lists))
    options = ImagenetDRows(lists, on_failure)
    notes = list(found.notes)
    job = _Job(store, reader, catalogue, on_failure, found.roles, keeper, visit, fitting, options, notes)
    for _, cells in itertools.groupby(found.cells, key=lambda cell: cell.binding.model):
        job.model(list(cells))
    job.results += job.breakdown.across()
    job.note_without_temperatures()
    job.results += retrieval_rows(reader, found.captions, on_failure, job.notes, job.failed)
    job.results += record_rows(reader, found.records, catalogue.datasets, on_failure, job.notes, job.failed)
    of_pairs = score_pairs(reader, found, ask, on_failure, catalogue.datasets)
    job.results += of_pairs.results
    job.failed += of_pairs.failed
    job.notes += of_pairs.notes
    if keeper is not None:
        keeper.close()
    said = dict.fromkeys((*job.notes, *lists.notes, *say_excluded(job.excluded)))
    missing = tuple(dict.fromkeys((*found.missing, *lists.missing, *of_pairs.missing)))
    return Scored(to_table(job.results), missing, tuple(job.failed), tuple(job.kept), tuple(said))


@dataclass(slots=True)
class _Job:
    """One call of `score`, model by model."""

    store: Store
    reader: Reader
    catalogue: Catalogue
    policy: OnFailure
    roles: Roles
    keeper: Keeper | None
    visit: Visit
    fitting: Fitting
    options: ImagenetDRows
    notes: list[str]
    results: list[Result] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    kept: list[Cell] = field(default_factory=list)
    excluded: list[tuple[Cell, Mapping[int, RowFailure]]] = field(default_factory=list)
    lists: dict[str, ClassList] = field(default_factory=dict)
    breakdown: Breakdown = field(init=False)

    def __post_init__(self) -> None:
        self.breakdown = Breakdown(self.catalogue.datasets, self.catalogue.factors, self.policy, self.notes)

    def model(self, cells: Sequence[Cell]) -> None:
        """Add the rows of one model."""
        held: list[tuple[Cell, Measured]] = []
        lessons = Lessons(self.reader, self.catalogue, self.roles, self.fitting, cells, self._classes, self.notes)
        # The in-distribution set comes first: it teaches the temperatures that the others are read at.
        for cell in sorted(cells, key=lambda cell: cell.binding.dataset != self.roles.inside):
            if not cell.view.table.height:
                self.notes.append(f"{cell.binding.dataset} has no images, so nothing can be said of it.")
            labels = view_labels(cell.view, len(self._classes(cell.view.classes).keys))
            protocols = self._protocols(cell)
            self.notes += protocols.notes
            columns, note = self._columns(cell, labels, protocols)
            if note:
                self.notes.append(note)
            ways = len(self._classes(cell.classes).keys)
            sinks = lessons.before(cell, columns, protocols.judges) + self.options.sinks(cell, protocols.judges)
            measured = measure(self.reader, cell, columns, ways, self.keeper, protocols.judges, sinks)
            if protocols.judges and cell.from_scores:
                self.notes.append(
                    f"{cell.binding.model} on {cell.binding.dataset}: stored scores cannot tell what the protocols of "
                    "this dataset ask for; they need its logits or embeddings."
                )
            if measured.failures and (self.policy == "error" or not self._any_left(cell, measured)):
                self.failed.append(say_failed(cell, measured, self.policy))
                lessons.forget(cell)
                continue
            measured = lessons.after(cell, measured)
            if measured.failures:
                self.excluded.append((cell, measured.failures))
            held.append((cell, measured))
            self.kept.append(cell)
            self.visit(cell, measured)
            if cell.binding.dataset not in self.roles.outside:
                self.results += self._classification(cell, measured, lessons.inside_key(cell, self._key))
                self.results += lessons.temperature_rows(cell, self._key, protocols.judges)
                self.results += self.options.rows(self._key(cell), cell, measured.ok)
        told_apart = Detecting(self.catalogue, self.roles, self._key, lessons, self.notes)
        self.results += told_apart.rows(held)

    def note_without_temperatures(self) -> None:
        """Say once that known test sets were read at no temperature, where the set to fit it on is not here."""
        known = [cell for cell in self.kept if cell.binding.dataset in self.catalogue.datasets and not cell.predicted]
        labelled = {row.dataset for row in self.results if row.metric == "nll"}
        if any(row.metric == "temperature" for row in self.results):
            return
        if any(cell.binding.dataset in labelled for cell in known):
            self.notes.append(
                f"no temperature scaling: {self.roles.inside} has no labelled logits here to fit it on; "
                f"`assay-extract run --dataset {self.roles.inside}` extracts them, --id-dataset NAME takes another set."
            )

    def _classification(self, cell: Cell, measured: Measured, inside: Key | None) -> Iterator[Result]:
        """Yield rows of the logits as they stand and under each protocol, and note labels that look misread."""
        key = self._key(cell)
        yield from classification(key, measured, self.policy, inside)
        names = self._classes(cell.classes).names
        self._check_labels(key, measured.prediction, measured.labels, measured.ok, names)
        for judged in measured.judged:
            yield from under_protocol(key, judged, self.policy, inside)
            if judged.predictions is not None and judged.labels is not None:
                under = replace(key, protocol=judged.protocol)
                self._check_labels(under, judged.predictions, judged.labels, judged.ok, judged.classes)
        protocols = (as_they_stand(key, measured), *measured.judged)
        columns = label_columns(self._classes(cell.view.classes), self._classes(cell.classes)) if cell.classes else None
        yield from self.breakdown.rows(key, cell.view.table, protocols, columns)

    def _check_labels(
        self,
        key: Key,
        predictions: NDArray[np.int64],
        labels: NDArray[np.int64],
        ok: NDArray[np.bool_],
        names: Sequence[str],
    ) -> None:
        # An answer that is none of the classes says nothing of their order.
        used = ok & (labels >= 0) & (predictions >= 0)
        if len(names) > 1 and used.any():
            found = check_labels(predictions[used], labels[used], len(names))
            if note := label_note(key.model, key.dataset, key.protocol, found, names):
                self.notes.append(note)

    def _protocols(self, cell: Cell) -> Applicable:
        """Return the protocols of a cell; one out of distribution has no labels to score."""
        if cell.binding.dataset in self.roles.outside or not cell.view.classes or not cell.classes:
            return Applicable()
        manifest = self.catalogue.datasets.get(cell.binding.dataset)
        ours, theirs = self._classes(cell.view.classes), self._classes(cell.classes)
        whole = cell.view.table.height == cell.n_total
        which = applicable_to_decisions if cell.predicted else applicable
        return which(manifest, self.catalogue.labels, cell.view.table, ours, theirs, whole)

    def _any_left(self, cell: Cell, measured: Measured) -> bool:
        """Tell whether a policy that goes on without some images leaves anything to count."""
        if measured.ok.any():
            return True
        return self.policy == "count-wrong" and cell.binding.dataset not in self.roles.outside

    def _classes(self, text: str) -> ClassList:
        if text not in self.lists:
            self.lists[text] = read_classes(self.store.disk, self.store.layout, text) if text else ClassList((), ())
        return self.lists[text]

    def _key(self, cell: Cell) -> Key:
        ways = len(self._classes(cell.classes).keys)
        return Key(
            model=cell.binding.model,
            group=cell.binding.group,
            dataset=cell.binding.dataset,
            protocol=f"{ways}-way" if ways else "",
            prompt_set=cell.prompt_set,
            inputs=cell.inputs,
            n_total=cell.n_total,
        )

    def _columns(self, cell: Cell, labels: NDArray[np.int64], protocols: Applicable) -> tuple[NDArray[np.int64], str]:
        """Return the logit column of every sample's class, and what stood in the way."""
        none = np.full(len(labels), -1, np.int64)
        model, dataset = cell.binding.model, cell.binding.dataset
        labelled = labels >= 0
        if not cell.view.classes or dataset in self.roles.outside or not labelled.any():
            # The folders of an out-of-distribution set name what it resembles, or nothing of the model's.
            return none, ""
        if not cell.classes:
            return none, (
                f"the logit columns of {model} have no class names, so it has no accuracy on {dataset}. Extract it "
                "with --classes FILE, one class a line in the order of the columns."
            )
        ours = self._classes(cell.view.classes)
        if not protocols.as_they_stand:
            return none, ""
        columns = label_columns(ours, self._classes(cell.classes))
        lacking = unknown_classes(ours, columns, labels[labelled].tolist())
        if lacking:
            return none, (
                f"{model} has no class for {len(lacking)} of the labels of {dataset} ({lacking[0]!r}, say), so it has "
                "no accuracy there. If the checkpoint was trained on this dataset's classes, extract it with --classes "
                "FILE; if the labels are ImageNet's, index the dataset with --label-space imagenet-1k."
            )
        return np.where(labelled, columns[labels], -1), ""


def raise_failed(scored: Scored) -> None:
    """Raise when images without numbers kept a cell out of the table.

    Raises
    ------
    FailedItemsError
        Naming every such cell.
    """
    if scored.failed:
        raise FailedItemsError("left out of the table:\n  " + "\n  ".join(scored.failed))
