"""A figure as files: SVG, PNG and PDF for paper, a page that needs no network, and the data behind it.

Knows charts and files, no particular figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import altair as alt
import polars as pl
import vl_convert

from analyze.report.figure import figure_of
from analyze.report.page import Report, Section, render, vega_lite_version
from analyze.report.tables import HtmlTable
from manifests.errors import UsageError

from .rows import check_rows
from .theme import Medium, stacked_legends

ChartForMedium = Callable[[Medium], alt.TopLevelMixin]
"""A figure bound to its table: ``lambda medium: reliability.chart(table, medium)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a page of one figure says besides it: title, caption, and what is missing and how to get it."""

    title: str
    caption: str = ""
    missing: tuple[str, ...] = ()


FORMATS: Final = ("html", "svg", "png", "pdf")
PNG_SCALE: Final = 300 / 72
FILE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


def export(
    chart_for_medium: ChartForMedium,
    table: pl.DataFrame,
    folder: Path,
    name: str,
    formats: Sequence[str] = FORMATS,
    *,
    label: str | None = None,
    words: Words | None = None,
    html: HtmlTable | None = None,
) -> tuple[Path, ...]:
    """Write a figure and the table behind it.

    ``<name>.svg``, ``.png`` (300 dpi) and ``.pdf`` have the paper layout, one px a point; ``<name>.html`` is a page of
    its own that works offline; ``<name>.parquet`` and ``<name>.csv`` hold the table and are always written.

    Parameters
    ----------
    chart_for_medium
        Draws the table for ``screen``, ``narrow`` or ``paper``.
    table
        The rows behind the figure, at most 5,000.
    folder
        Where to write; made if absent. Files of the same name are replaced.
    name
        File name without its ending: letters, digits, ``.``, ``_``, ``-``.
    formats
        Any of ``html svg png pdf``.
    label
        The figure in words, for the page; the figure's ``describe``.
    words
        Title, caption and what is missing, for the page.
    html
        Of a table: what the page shows instead of a drawing.

    Returns
    -------
    The files, in the order of ``formats``, then the data.

    Raises
    ------
    UsageError
        For an unknown format, a name that is no file name, or more than 5,000 rows.
    """
    return drawing(chart_for_medium, table, name, formats, label=label, words=words, html=html).write(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure that is drawn and not yet converted: what is left to do needs no chart and may wait for its turn."""

    name: str
    formats: tuple[str, ...]
    page: str | None
    spec: dict[str, Any] | None
    table: pl.DataFrame

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Convert and write; returns the files as `export` does."""
        made = {} if self.page is None else {"html": self.page.encode("utf-8")}
        if self.spec is not None:
            made |= _paper(self.spec, self.formats)
        # Everything is made before the first file is written: a figure that fails leaves no half of itself.
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.name}.{one}" for one in self.formats]
        for path, one in zip(paths, self.formats, strict=True):
            path.write_bytes(made[one])
        data = [folder / f"{self.name}.parquet", folder / f"{self.name}.csv"]
        self.table.write_parquet(data[0])
        self.table.write_csv(data[1])
        return (*paths, *data)


def drawing(
    chart_for_medium: ChartForMedium,
    table: pl.DataFrame,
    name: str,
    formats: Sequence[str] = FORMATS,
    *,
    label: str | None = None,
    words: Words | None = None,
    html: HtmlTable | None = None,
) -> Drawing:
    """Draw a figure and leave its files for later.

    Parameters
    ----------
    chart_for_medium, table, name, formats, label, words, html
        As in `export`, which is this and `Drawing.write`.

    Raises
    ------
    UsageError
        As `export` does.
    """
    unknown = [one for one in formats if one not in FORMATS]
    if unknown:
        raise UsageError(f"expected formats among {', '.join(FORMATS)}; got {', '.join(unknown)}")
    if not FILE_NAME.fullmatch(name) or name.startswith("."):
        raise UsageError(f"expected a file name of letters, digits, '.', '_' and '-' without an ending; got {name!r}")
    check_rows(table, name)
    page, spec = None, None
    if "html" in formats:
        page = _page(chart_for_medium, table, label or name, words or Words(title=name), html)
    if set(formats) - {"html"}:
        # Not validated again: every part was when it was made, and a big figure takes seconds.
        spec = stacked_legends(chart_for_medium("paper").to_dict(validate=False))
    return Drawing(name=name, formats=tuple(dict.fromkeys(formats)), page=page, spec=spec, table=table)


def _page(
    chart_for_medium: ChartForMedium, table: pl.DataFrame, label: str, words: Words, html: HtmlTable | None
) -> str:
    figure = figure_of(chart_for_medium("screen"), label, chart_for_medium("narrow")) if html is None else None
    section = Section(
        id="figure" if html is None else "table",
        title="Figure" if html is None else "Table",
        finding=label if html is None else words.title,
        figure=figure,
        table=html,
        caption=words.caption,
    )
    facts = (("Rows", f"{table.height:,}"),)
    return render(Report(title=words.title, facts=facts, missing=words.missing, sections=(section,)))


def _paper(spec: dict[str, Any], formats: Sequence[str]) -> dict[str, bytes]:
    # An empty list of allowed addresses: a spec can never make the converter fetch something.
    svg = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version(), allowed_base_urls=[])
    # Drawn once, converted twice: laying out a big figure takes seconds.
    made = {"svg": svg.encode("utf-8")}
    if "png" in formats:
        made["png"] = vl_convert.svg_to_png(svg, scale=PNG_SCALE, ppi=72)
    if "pdf" in formats:
        made["pdf"] = vl_convert.svg_to_pdf(svg)
    return made
