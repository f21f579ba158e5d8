"""A table of models as rows and numbers as columns, some of which are means over several test sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import polars as pl

from analyze.figures.units import Unit
from analyze.named.material import Drawn
from analyze.report.tables import Cell, HtmlTable
from analyze.stand_ins import NOBODY, Cast

from .lookup import Lookup, number_cell, numbers_frame
from .remedies import remedy, unplayed


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One column: the mean over its axes, which is a number only where all of them were measured.

    higher
        Whether more is better: True, False, or None where the best is not marked.
    """

    title: str
    axes: tuple[str, ...]
    unit: Unit = "rate"
    higher: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row: its words, its model, and the rows among which its numbers may be the best."""

    words: tuple[str, ...]
    model: str
    among: str = ""


def grid(
    lookup: Lookup,
    head: Sequence[str],
    entries: Sequence[Entry],
    measures: Sequence[Measure],
    caption: str,
    study: str,
    cast: Cast = NOBODY,
) -> Drawn:
    """Return the table of some models.

    Parameters
    ----------
    head
        Headings of the words.
    study, cast
        Whose command gets what is missing.
    """
    if not entries:
        return nothing(caption, cast)
    values = {
        (at, measure.title): _mean(lookup, entry.model, measure)
        for at, entry in enumerate(entries)
        for measure in measures
    }
    best = _best(entries, measures, values)
    body = tuple(
        (
            *(Cell(word) for word in entry.words),
            *(number_cell(values[at, one.title], one.unit, best=(at, one.title) in best) for one in measures),
        )
        for at, entry in enumerate(entries)
    )
    numbers = [
        dict(zip(head, entry.words, strict=True))
        | {"model": entry.model}
        | {one.title: values[at, one.title] for one in measures}
        for at, entry in enumerate(entries)
    ]
    table = HtmlTable(caption, (*head, *(one.title for one in measures)), body)
    said = "; ".join(", ".join(cell.text for cell in row) for row in body)
    return Drawn(
        table=numbers_frame(numbers),
        label=f"{caption}. Columns: {', '.join(table.head)}. {said}.",
        html=table,
        missing=_lacking(lookup, entries, measures, study, cast),
    )


def nothing(title: str, cast: Cast) -> Drawn:
    """Return what is left of a table of named models when none of them has a row."""
    why = unplayed(cast)
    return Drawn(table=pl.DataFrame(), label=f"Nothing to show: {why}.", missing=((title, why),))


def _mean(lookup: Lookup, model: str, measure: Measure) -> float | None:
    found = [lookup.value(model, axis) for axis in measure.axes]
    known = [value for value in found if value is not None]
    return fmean(known) if len(known) == len(found) else None


def _best(
    entries: Sequence[Entry], measures: Sequence[Measure], values: Mapping[tuple[int, str], float | None]
) -> set[tuple[int, str]]:
    best = set()
    for one in measures:
        for among in {entry.among for entry in entries}:
            known = {
                at: value
                for at, entry in enumerate(entries)
                if entry.among == among and (value := values[at, one.title]) is not None
            }
            if one.higher is not None and len(known) > 1:
                top = max(known.values()) if one.higher else min(known.values())
                best |= {(at, one.title) for at, value in known.items() if value == top}
    return best


def _lacking(
    lookup: Lookup, entries: Sequence[Entry], measures: Sequence[Measure], study: str, cast: Cast
) -> tuple[tuple[str, str], ...]:
    said: dict[str, list[str]] = {}
    for one in measures:
        for axis in one.axes:
            if any(lookup.value(entry.model, axis) is None for entry in entries):
                said.setdefault(axis.partition(":")[0], []).append(one.title)
    return tuple(
        (", ".join(dict.fromkeys(titles)), f"{dataset} is not there for every row; {remedy(study, dataset, cast)}")
        for dataset, titles in said.items()
    )
