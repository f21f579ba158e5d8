"""Which four classes are offered for each image of a dataset, by a selection model's own logits in the store.

Lists come from any model that the store has on the dataset, whether or not its rows were asked for. Reads logits pack
by pack; keeps four numbers an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cache.bindings import asked_pairs
from cache.reader import Reader
from cache.store import Store
from cache.texts import ClassList, read_classes
from manifests.catalogue import Catalogue
from manifests.schema import Dataset

from .applicable import applicable
from .asked import Ask
from .cell import Cell, Missing
from .cells import find_cells
from .checks import Matrix
from .judged import Judge
from .measure import show
from .metrics.options import option_lists
from .protocols import Members, restrict


class ClassLogits:
    """Logits of the classes of a protocol for every image of a dataset: a sink.

    values
        float32 `(n, k)`, the largest of a class's columns; NaN where there was nothing.
    """

    def __init__(self, n: int, members: Members) -> None:
        self.values: NDArray[np.float32] = np.full((n, len(members)), np.nan, np.float32)
        self._members = members

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the finite logits `(m, c)` of the images at these places of the view."""
        self.values[index] = restrict(logits, self._members, "max")


@dataclass(frozen=True, slots=True)
class OptionList:
    """The classes that a model selected: the right one, then the three wrong ones that it finds most likely.

    model
        The selection model.
    classes
        Sample -> four class indices; samples for which the model has no numbers are not there.
    inputs
        Digest of what the lists were made of.
    """

    model: str
    classes: Mapping[str, tuple[int, ...]]
    inputs: str

    def of(self, samples: Sequence[str]) -> NDArray[np.int64]:
        """Return the lists of some samples, `(n, 4)`; -1 for a sample without a list."""
        none = (-1,) * 4
        return np.array([self.classes.get(sample, none) for sample in samples], np.int64).reshape(-1, 4)


def asking(dataset: Dataset | None, judges: Sequence[Judge]) -> Judge | None:
    """Return the judge that knows columns and right classes of questions about a dataset; None where there are none.

    Lists are made of the classes that a label names: on ImageNet-D the 113, by their own names where a model has a
    column for each, else by ImageNet's classes that they are made of.
    """
    if dataset is None or dataset.options is None:
        return None
    by_label = [judge for judge in judges if judge.protocol.rule == "label"]
    return next((judge for judge in by_label if judge.protocol.own_columns), by_label[0] if by_label else None)


def protocol_of(dataset: Dataset | None) -> str:
    """Return the protocol under which answers about a dataset are told, whoever gives them.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> protocol_of(load().datasets["imagenet-d"])
    'imagenet-d-113-names'
    """
    return "" if dataset is None or not dataset.protocols else dataset.protocols[0]


def select(model: str, samples: Sequence[str], logits: Matrix, labels: NDArray[np.int64], inputs: str) -> OptionList:
    """Return the lists that a model's logits make.

    Parameters
    ----------
    samples
        n names.
    logits : float (n, k)
        Rows that are not finite make no list.
    labels : int (n,)
        The right class, -1 where there is none.
    """
    usable = np.flatnonzero(np.isfinite(logits).all(axis=1) & (labels >= 0))
    if not len(usable):
        return OptionList(model, {}, inputs)
    lists = option_lists(logits[usable], labels[usable]).tolist()
    return OptionList(
        model, {samples[row]: tuple(one) for row, one in zip(usable.tolist(), lists, strict=True)}, inputs
    )


@dataclass(slots=True)
class OptionLists:
    """The lists of one call: made once a dataset, when first needed.

    names
        Selection models that were named; empty: those of the dataset's manifest that the store has.
    missing, notes
        Get what stands in the way.
    """

    store: Store
    reader: Reader
    catalogue: Catalogue
    names: tuple[str, ...] = ()
    missing: list[Missing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _made: dict[str, tuple[OptionList, ...]] = field(default_factory=dict)

    def of(self, dataset: str) -> tuple[OptionList, ...]:
        """Return the lists of a dataset, in the order of their names.

        Raises
        ------
        UsageError
            When a model that was named is unknown.
        """
        if dataset not in self._made:
            manifest = self.catalogue.datasets.get(dataset)
            usual = () if manifest is None or manifest.options is None else manifest.options.lists
            found = [self._one(name, dataset) for name in dict.fromkeys(self.names or usual)]
            self._made[dataset] = tuple(one for one in found if one is not None)
        return self._made[dataset]

    def _one(self, model: str, dataset: str) -> OptionList | None:
        if not self.names and (model, dataset) not in asked_pairs(self.store):
            return None
        found = find_cells(self.store, self.reader, self.catalogue, Ask(models=(model,), datasets=(dataset,)))
        self.missing += found.missing
        able = [(cell, judge) for cell in found.cells if (judge := self.judge(cell)) is not None]
        if not able:
            if not found.missing:
                self.notes.append(
                    f"{model} on {dataset} has no logits of {self._space(dataset)}, so it makes no lists of options."
                )
            return None
        options = self.catalogue.datasets[dataset].options
        prompts = "" if options is None else options.prompts
        cell, judge = next((one for one in able if one[0].prompt_set == prompts), able[0])
        if len(able) > 1:
            self.notes.append(f"the lists of {model} on {dataset} are those under prompts {cell.prompt_set}.")
        sink = ClassLogits(cell.view.table.height, judge.members)
        show(self.reader, cell, (sink,))
        return select(model, cell.view.table["sample"].to_list(), sink.values, judge.labels, cell.inputs)

    def judge(self, cell: Cell) -> Judge | None:
        """Return what knows the columns and the right classes of the protocol; None where it does not apply."""
        if cell.predicted or cell.from_scores or not cell.classes or not cell.view.classes:
            return None
        manifest = self.catalogue.datasets.get(cell.binding.dataset)
        if manifest is None:
            return None
        ours, theirs = (self._classes(text) for text in (cell.view.classes, cell.classes))
        judges = applicable(manifest, self.catalogue.labels, cell.view.table, ours, theirs).judges
        return asking(manifest, judges)

    def _space(self, dataset: str) -> str:
        manifest = self.catalogue.datasets.get(dataset)
        return "the classes that questions offer" if manifest is None else manifest.label_space

    def _classes(self, text: str) -> ClassList:
        return read_classes(self.store.disk, self.store.layout, text)
