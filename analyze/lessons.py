"""What the cells of one model learn from its in-distribution set, cell by cell in the order of `score`.

Hands sinks to the pass over a cell before it is measured, and takes out of them afterwards what rows are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cache.reader import Reader
from cache.texts import ClassList
from manifests.catalogue import Catalogue

from .asked import Roles
from .calibrated import Labelled, Sink
from .calibration_rows import temperature_row
from .cell import Cell
from .detectors import KlMatching, Restricted, ScaledMsp, Scores
from .feature_detection import FeatureDetection
from .fitting import Fitting
from .inside import Inside
from .judged import Judge
from .measure import Measured, head_of, show
from .plan_inside import Classes, plan_inside, restricting
from .row_key import Key
from .table import Result
from .temperatures import ALL_COLUMNS, Fitted

Place: TypeAlias = tuple[str, str]
"""Dataset and head of a cell: what tells apart the cells of one model."""


@dataclass(slots=True)
class Lessons:
    """The lessons of one model.

    classes
        Gives a class list by its texts id.
    notes
        What a reader of the table should know.
    """

    reader: Reader
    catalogue: Catalogue
    roles: Roles
    fitting: Fitting
    cells: Sequence[Cell]
    classes: Callable[[str], ClassList]
    notes: list[str]
    _inside: dict[str, tuple[Cell, Inside]] = field(default_factory=dict)
    _labelled: dict[Place, Labelled] = field(default_factory=dict)
    _detectors: dict[Place, tuple[ScaledMsp | KlMatching | Restricted, ...]] = field(default_factory=dict)
    _features: dict[Place, Scores] = field(default_factory=dict)

    def before(self, cell: Cell, columns: NDArray[np.int64], judges: Sequence[Judge]) -> tuple[Sink, ...]:
        """Return what is to see the logits of a cell besides its own judges, which hear of temperatures here."""
        if cell.from_scores or cell.predicted or not cell.classes or not cell.view.table.height:
            return ()
        if cell.binding.dataset == self.roles.inside:
            return self._plan(cell, columns) if (columns >= 0).any() else ()
        teacher = self.teacher(cell)
        if teacher is None:
            return ()
        table, ways = cell.view.table, len(self.classes(cell.classes).keys)
        if cell.binding.dataset in self.roles.outside:
            manifest = self.catalogue.datasets.get(cell.binding.dataset)
            places = () if manifest is None else restricting(manifest.protocols, ways, manifest.label_space)
            self._detectors[_place(cell)] = found = teacher.outside_sinks(table.height, places)
            return found
        for judge in judges:
            judge.scale(teacher.scales((judge.space, judge.protocol.id), table))
        scales = teacher.scales(ALL_COLUMNS, table)
        if not scales or not (columns >= 0).any():
            return ()
        self._labelled[_place(cell)] = labelled = Labelled(columns, ways, scales)
        return (labelled,)

    def after(self, cell: Cell, measured: Measured) -> Measured:
        """Return what a cell has under temperatures as well; an in-distribution set teaches here."""
        if cell.binding.dataset != self.roles.inside:
            labelled = self._labelled.get(_place(cell))
            return measured if labelled is None else replace(measured, scaled=labelled.forecasts())
        if cell.head not in self._inside:
            return measured
        inside = self._inside[cell.head][1]
        # A reader checks what it reads each time: the set may be larger than memory, its second reading is not trusted.
        scaled = inside.learn(lambda sinks: show(self.reader, cell, sinks), measured.ok)
        if not scaled:
            self.notes.append(
                f"{cell.binding.model} on {cell.binding.dataset}: too few images for a temperature; both halves of the "
                "set need one."
            )
        whole = inside.temperatures.get(ALL_COLUMNS)
        if whole is not None and whole.temperature.at_bound:
            self.notes.append(_say_bound(cell, whole))
        return replace(measured, scaled=scaled)

    def forget(self, cell: Cell) -> None:
        """Take back what a cell that does not count was to teach."""
        if cell.binding.dataset == self.roles.inside:
            self._inside.pop(cell.head, None)

    def teacher(self, cell: Cell) -> Inside | None:
        """Return what the in-distribution set teaches the classifier of a cell."""
        found = self._inside.get(cell.head)
        return None if found is None or found[0].classes != cell.classes else found[1]

    def look_at_features(self, cells: Sequence[Cell]) -> None:
        """Fit and apply feature-based detectors, where they were asked for; `cells` are those that count."""
        for head, (cell, inside) in self._inside.items() if self.fitting.features else ():
            outside = [
                one
                for one in cells
                if one.head == head and one.classes == cell.classes and one.binding.dataset in self.roles.outside
            ]
            if outside:
                detection = FeatureDetection(self.reader, self.notes, self.fitting.neighbours)
                classes = self.classes(cell.classes)
                found = detection.scores(
                    cell, head_of(self.reader, cell), inside.columns, inside.half, outside, classes
                )
                self._features |= {(dataset, head): scores for dataset, scores in found.items()}

    def scores(self, cell: Cell) -> Scores:
        """Return the scores of detectors that were learned, on one cell."""
        found = dict(self._features.get(_place(cell), {}))
        if cell.binding.dataset == self.roles.inside:
            return found | dict(self._inside[cell.head][1].scores() if cell.head in self._inside else {})
        for one in self._detectors.get(_place(cell), ()):
            found |= one.scores()
        return found

    def inside_key(self, cell: Cell, key_of: Callable[[Cell], Key]) -> Key | None:
        """Return the columns of the set that teaches a cell; None for that set itself, and where there is none."""
        if cell.binding.dataset == self.roles.inside or self.teacher(cell) is None:
            return None
        return key_of(self._inside[cell.head][0])

    def temperature_rows(self, cell: Cell, key_of: Callable[[Cell], Key], judges: Sequence[Judge]) -> Iterator[Result]:
        """Yield the temperatures of a cell: of all columns on the set itself, of a protocol's columns on the others.

        `n` counts the images that each was fitted on, and `n_failed` those of its half without numbers.
        """
        teacher, key, inside = self.teacher(cell), key_of(cell), self.inside_key(cell, key_of)
        if teacher is None:
            return
        failed = teacher.failed
        if inside is None:
            if ALL_COLUMNS in teacher.temperatures:
                yield temperature_row(key, teacher.temperatures[ALL_COLUMNS], "ts", failed)
            return
        for judge in judges:
            fitted = teacher.temperatures.get((judge.space, judge.protocol.id))
            if fitted is not None:
                under = replace(key.given(inside), protocol=judge.protocol.id, n_total=inside.n_total)
                yield temperature_row(under, fitted, "ts-restricted", failed, id_dataset=inside.dataset)

    def _plan(self, cell: Cell, columns: NDArray[np.int64]) -> tuple[Sink, ...]:
        others = [
            one
            for one in self.cells
            if one.head == cell.head and one.classes == cell.classes and one.binding.dataset != self.roles.inside
        ]
        classes = Classes(self.classes(cell.view.classes), self.classes(cell.classes))
        inside = plan_inside(
            self.catalogue, self.roles, self.fitting.split, cell, columns, classes, others, head_of(self.reader, cell)
        )
        self._inside[cell.head] = (cell, inside)
        return inside.first_sinks()


def _place(cell: Cell) -> Place:
    return cell.binding.dataset, cell.head


def _say_bound(cell: Cell, fitted: Fitted) -> str:
    found = fitted.temperature
    why = {
        True: "every image of the calibration half is right, so colder is always better",
        False: "the logits tell nothing of the classes there",
    }[found.temperature < 1]
    return (
        f"{cell.binding.model} on {cell.binding.dataset}: no temperature is best, {found.temperature:g} is where the "
        f"search ends; {why}."
    )
