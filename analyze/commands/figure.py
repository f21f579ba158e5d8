"""`assay-analyze figure`: a figure of a paper, or one of no paper, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cache.console import Options
from manifests.errors import UsageError

from .drawing import chosen_formats, draw_named, named_module, nothing_to_draw, write_figure
from .selection import DEFAULT_OPTIONS, DEFAULT_SELECTION, Flag, Policy, Selection, exit_code, score_selection

METRIC_DOTS = "metric-dots"
Formats = Annotated[str, Parameter(name=("--formats", "--format"))]


def figure(
    name: str,
    *,
    metric: str = "accuracy_top1",
    table: Path | None = None,
    published: Flag = False,
    selection: Selection = DEFAULT_SELECTION,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    formats: Formats = "html,svg,png,pdf",
    out: Path = Path("figures"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Draw a figure and write the data behind it.

    Parameters
    ----------
    name
        closer-look/fig-1 to fig-5, fig-a1 to fig-a6; holistic/fig-1 to fig-10; deviations, published, before-after,
        reliability, metric-dots.
    metric
        For metric-dots: which metric of the results table.
    table
        Draw a results table (.csv or .parquet, of `score --out`) instead of a store.
    published
        Draw the published accuracies that come with this package; no store is needed.
    on_failure
        What to do with images that could not be read.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    formats
        Any of html, svg, png, pdf.
    out
        The folder to write to; the files are called after the figure, with - for /.
    """
    if name == METRIC_DOTS:
        if table is not None or published:
            raise UsageError(f"{METRIC_DOTS} draws a store; --table and --published go with the other figures.")
        return _metric_dots(metric, selection, on_failure, allow_missing, formats, out, options)
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


def _metric_dots(
    metric: str,
    selection: Selection,
    on_failure: Policy,
    allow_missing: bool,
    formats: str,
    out: Path,
    options: Options,
) -> int:
    import polars as pl

    from analyze.figure_data import distinct_rows
    from analyze.figures import metric_dots
    from analyze.table import INTERVALS, finite

    if metric not in INTERVALS:
        raise UsageError(f"--metric {metric}: expected one of {', '.join(INTERVALS)}.")
    scored = score_selection(options, selection, on_failure)
    rows = distinct_rows(finite(scored.table).filter(pl.col("metric") == metric))
    if not rows.height:
        raise nothing_to_draw(scored, f"{METRIC_DOTS} of {metric}")
    write_figure(
        lambda medium: metric_dots.chart(rows, metric, medium),
        rows,
        out,
        METRIC_DOTS,
        chosen_formats(formats),
        metric_dots.describe(rows, metric),
    )
    return exit_code(scored, allow_missing)
