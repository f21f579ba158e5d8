"""The papers' figures and tables, one section each."""

from __future__ import annotations

from types import ModuleType

import polars as pl

from analyze.named import showing
from analyze.named.material import Drawn
from analyze.named.recipes.remedies import study_of
from analyze.report.figure import figure_of
from analyze.report.page import Section
from analyze.report.tables import Cell, Column, HtmlTable, Kind, html_table

from .gathered import Gathered, command

MOST_ROWS = 200
"""Rows of the table under a figure; its CSV has all of them."""

MOST_MISSING = 6
"""Sentences about what a figure lacks; the list at the top has all."""

SHOWN = (
    *("panel", "model", "line", "group", "series", "category", "source", "encoder", "step_label"),
    *("x", "y", "value", "lo", "hi", "n"),
)
"""Columns of a figure's data that are read; places on axes are not."""


def section_id(name: str) -> str:
    """Return the address of a named figure: `holistic/fig-1` -> `holistic-fig-1`."""
    return name.replace("/", "-")


def named_figures(gathered: Gathered) -> list[Section]:
    """Return a section for each figure and table that has something to show, and one that names the others."""
    sections: list[Section] = []
    absent: list[tuple[str, str]] = []
    papers = {study_of(module.ID) for module, _ in gathered.named} - {""}
    for module, drawn in gathered.named:
        title = _title(module, several=len(papers) > 1)
        if isinstance(drawn, str):
            absent.append((title, drawn))
        elif drawn.table.height and (drawn.chart is not None or drawn.html is not None):
            sections.append(_section(module, title, drawn, gathered))
        else:
            absent.append((title, "; ".join(f"{what}: {why}" for what, why in drawn.missing[:2]) or drawn.label))
    if absent:
        rows = tuple((Cell(title), Cell(why)) for title, why in absent)
        sections.append(
            Section(
                id="not-drawn",
                title="Figures without data",
                finding=f"{len(absent)} figures and tables of the papers have nothing to show yet.",
                table=HtmlTable("Figures without data", ("figure", "what is missing"), rows),
            )
        )
    return sections


def _title(module: ModuleType, *, several: bool) -> str:
    """Return title and number; on a page of several papers also whose number it is."""
    paper, _, which = str(module.ID).partition("/")
    if not which:
        return str(module.TITLE)
    number = which.replace("fig-", "Fig. ").replace("table-", "Table ")
    return f"{module.TITLE} ({paper}, {number})" if several else f"{module.TITLE} ({number})"


def _section(module: ModuleType, title: str, drawn: Drawn, gathered: Gathered) -> Section:
    name = str(module.ID)
    figure = None
    if drawn.chart is not None:
        wide = drawn.chart("screen")
        # Most are the same drawing at any width; those that are not say below which width they change.
        changes = "narrow" in (getattr(wide, "usermeta", None) or {}).get("panel", {})
        figure = figure_of(wide, drawn.label, drawn.chart("narrow") if changes else None)
    missing = [f"{what}: {why}" for what, why in drawn.missing[:MOST_MISSING]]
    if len(drawn.missing) > MOST_MISSING:
        missing.append(f"and {len(drawn.missing) - MOST_MISSING} more")
    return Section(
        id=section_id(name),
        title=title,
        finding="",
        figure=figure,
        table=drawn.html or data_table(drawn.table, module.TITLE),
        caption=showing.caption(module, gathered.cast),
        command=command(("figure" if drawn.chart is not None else "table", name), gathered.words),
        missing=tuple(missing),
    )


def data_table(table: pl.DataFrame, caption: str) -> HtmlTable | None:
    """Write the models behind a figure; lines and bands are left to the CSV."""
    rows = table.filter(pl.col("mark") == "model") if "mark" in table.columns else table
    shown = [name for name in SHOWN if name in rows.columns and rows[name].null_count() < rows.height]
    shown = [name for name in shown if rows.schema[name] != pl.String or (rows[name].fill_null("") != "").any()]
    if not rows.height or not shown:
        return None
    columns = [Column(name.replace("_", " "), name, _kind(rows.schema[name])) for name in shown]
    cut = f" (the first {MOST_ROWS} of {rows.height:,} rows)" if rows.height > MOST_ROWS else ""
    return html_table(rows.select(shown).head(MOST_ROWS), columns, f"{caption}: data{cut}")


def _kind(kind: pl.DataType) -> Kind:
    return "number" if kind.is_float() else "count" if kind.is_integer() else "text"
