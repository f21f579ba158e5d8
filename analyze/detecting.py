"""Each classifier's in-distribution set against its others: which cells are compared, and which cannot be.

Joins cells, lessons and rows of detection for one model at a time; computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from manifests.catalogue import Catalogue

from .asked import Roles
from .cell import Cell
from .detection_rows import Side, detection_rows, own_scores
from .lessons import Lessons
from .measure import Measured
from .plan_inside import left_out
from .results import default_detector
from .row_key import Key
from .table import Result


@dataclass(frozen=True, slots=True)
class Detecting:
    """The comparisons of one model.

    key_of
        Gives the columns that every row of a cell shares.
    notes
        Gets a line for what cannot be compared.
    """

    catalogue: Catalogue
    roles: Roles
    key_of: Callable[[Cell], Key]
    lessons: Lessons
    notes: list[str]

    def rows(self, held: Sequence[tuple[Cell, Measured]]) -> Iterator[Result]:
        """Yield the rows of every set out of distribution, `held` being the cells that count."""
        inside = {cell.head: (cell, measured) for cell, measured in held if cell.binding.dataset == self.roles.inside}
        self.lessons.look_at_features([cell for cell, _ in held])
        for cell, measured in held:
            if cell.binding.dataset not in self.roles.outside or not cell.view.table.height:
                continue
            if cell.head not in inside:
                self.notes.append(
                    f"{cell.binding.model} on {cell.binding.dataset}: nothing to compare with, since it has no numbers "
                    f"for {self.roles.inside} here; --id-dataset NAME takes another set as in-distribution."
                )
                continue
            partner, reference = inside[cell.head]
            if partner.classes != cell.classes:
                self.notes.append(
                    f"{cell.binding.model} has other classes on {cell.binding.dataset} than on {self.roles.inside}, so "
                    "their scores cannot be compared."
                )
                continue
            inner, outer = self._side(partner, reference), self._side(cell, measured)
            yield from detection_rows(inner, outer, default_detector(cell.prompt_set))

    def _side(self, cell: Cell, measured: Measured) -> Side:
        name, table = cell.binding.dataset, cell.view.table
        manifest = self.catalogue.datasets.get(name)
        told = manifest is not None and manifest.class_means
        by_class = told and name in self.roles.outside and "ood_class" in table.columns
        return Side(
            key=self.key_of(cell),
            ok=measured.ok,
            scores={**own_scores(measured.numbers), **self.lessons.scores(cell)},
            classes=table["ood_class"].to_list() if by_class else None,
            without=left_out(self.catalogue, name) if by_class else {},
        )
