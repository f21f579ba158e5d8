"""`assay-analyze table`: a table of a paper, or one of no paper, by its name."""

from __future__ import annotations

from pathlib import Path

from cache.console import Options

from .drawing import draw_named, named_module
from .figure import Formats
from .selection import DEFAULT_OPTIONS, DEFAULT_SELECTION, Flag, Policy, Selection


def table(
    name: str,
    *,
    table: Path | None = None,
    published: Flag = False,
    selection: Selection = DEFAULT_SELECTION,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    formats: Formats = "html,svg,png,pdf",
    out: Path = Path("tables"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write a table, as a page, as a drawing, and its numbers as Parquet and CSV.

    Parameters
    ----------
    name
        closer-look/table-1, closer-look/table-a1; holistic/table-1 to table-4; coverage, leakage.
    table
        Read a results table (.csv or .parquet, of `score --out`) instead of a store.
    published
        Read the published accuracies that come with this package; no store is needed.
    on_failure
        What to do with images that could not be read.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    formats
        Any of html, svg, png, pdf.
    out
        The folder to write to; the files are called after the table, with - for /.
    """
    return draw_named(
        named_module(name),
        selection=selection,
        table=table,
        published=published,
        on_failure=on_failure,
        allow_missing=allow_missing,
        out=out,
        formats=formats,
        options=options,
    )
