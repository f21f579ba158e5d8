"""Single numbers of a results table by what they are of, and the cells that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from analyze.axes import Axis, parse_axis
from analyze.figures.units import Unit, format_number
from analyze.report.tables import MISSING, Cell

HIGHER: Final = "▲"
"""Stands before the better of some numbers: a reader of plain text sees no bold type."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Rows by model and axis."""

    rows: Mapping[tuple[str, Axis], Mapping[str, Any]]

    @classmethod
    def of(cls, table: pl.DataFrame) -> Lookup:
        """Read rows of which there is one a model, dataset, slice and metric; of several the first."""
        found: dict[tuple[str, Axis], Mapping[str, Any]] = {}
        for row in table.iter_rows(named=True):
            axis = Axis(dataset=row["dataset"], slice=row["slice"], metric=row["metric"])
            found.setdefault((row["model"], axis), row)
        return cls(found)

    def row(self, model: str, axis: str) -> Mapping[str, Any] | None:
        """Return one row, by an axis as on the command line; None where there is none."""
        return self.rows.get((model, parse_axis(axis)))

    def value(self, model: str, axis: str) -> float | None:
        """Return one number."""
        row = self.row(model, axis)
        return None if row is None or row["value"] is None else float(row["value"])

    def first(self, models: Sequence[str]) -> str:
        """Return the first of some names of one model that has any number; the first of all where none has."""
        here = {model for model, _ in self.rows}
        return next((model for model in models if model in here), models[0])


def number_cell(value: float | None, unit: Unit = "rate", *, best: bool = False) -> Cell:
    """Write a number; one that was not measured as a dash.

    Examples
    --------
    >>> number_cell(0.512).text, number_cell(0.6, best=True).text, number_cell(None).missing
    ('51.2', '▲ 60.0', True)
    """
    if value is None:
        return Cell(MISSING, numeric=True, missing=True)
    text = format_number(value, unit)
    return Cell(f"{HIGHER} {text}" if best else text, numeric=True)


def numbers_frame(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return the numbers behind a table; a column of nothing but nulls holds floats, since numbers are what lacks."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return frame.with_columns(pl.col(name).cast(pl.Float64) for name, kind in frame.schema.items() if kind == pl.Null)
