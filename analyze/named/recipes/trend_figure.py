"""Trend panels as a named figure: rows and panels in, a drawing with what it misses out."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from analyze.deviation_rows import Fitting
from analyze.figures import trend_marks, trend_panels
from analyze.figures.rows import MAX_ROWS
from analyze.figures.theme import known_source
from analyze.named.material import Drawn, Material
from analyze.panels import Panels, Spec, make_panels

from .remedies import remedy

MAIN = ("zero-shot-clip", "clip-ft", "more-data", "standard", "contrastive", "other")
"""Groups of the main figures: masked autoencoders have their own, language models a table."""

SOURCES = ("LAION", "WIT", "DataComp", "WebLI")
"""Training sources of zero-shot models in the order of dashes; others follow."""

DRAWS = 199
"""Draws of the bootstrap behind a drawn band; lines that are quoted come from `assay-analyze trend` with more."""

FITTING = Fitting(draws=DRAWS)


def trend_figure(
    material: Material,
    rows: pl.DataFrame,
    specs: Sequence[Spec],
    study: str,
    *,
    fitted: pl.DataFrame | None = None,
    shared: bool = False,
    row: int = 0,
    series: Sequence[str] = (),
) -> Drawn:
    """Return trend panels of some rows.

    Parameters
    ----------
    rows
        One row a model, dataset, slice and metric; see `panels.make_panels` for ``series`` and ``label``.
    fitted
        Rows that lines are fitted to; else those of the models that the study's fits take.
    study
        Whose command gets what is missing.
    """
    through = in_fits(rows, material) if fitted is None else fitted
    made = make_panels(rows, specs, FITTING, through)
    return drawn_panels(made, material, study, shared=shared, row=row, series=series)


def in_fits(rows: pl.DataFrame, material: Material) -> pl.DataFrame:
    """Leave out the models that are shown beside."""
    return rows.filter(~pl.col("model").is_in(sorted(material.beside)))


def drawn_panels(
    made: Panels, material: Material, study: str, *, shared: bool = False, row: int = 0, series: Sequence[str] = ()
) -> Drawn:
    """Return a drawing of panels; without any model, nothing but what is missing."""
    missing = tuple((one.title, f"{one.why}; {remedy(study, one.dataset, material.cast)}") for one in made.missing)
    if not made.table.height:
        why = "; ".join(dict.fromkeys(one.why for one in made.missing))
        return Drawn(table=made.table, label=f"Nothing to draw: {why}.", missing=missing)
    wide = made.table.height > MAX_ROWS
    return Drawn(
        table=trend_marks.side_by_side(made.table) if wide else made.table,
        label=trend_panels.describe(made.table, made.panels),
        chart=lambda medium: trend_panels.chart(
            made.table, made.panels, medium, shared=shared, row=row, series=series, wide=wide
        ),
        missing=missing,
    )


def by_source(rows: pl.DataFrame) -> pl.DataFrame:
    """Give zero-shot models their training source as series, so that each source has a line of its own."""
    # Several sources of the manifests share a symbol, and with it a line.
    source = pl.col("training_source").map_elements(known_source, return_dtype=pl.String, skip_nulls=False)
    named = rows.with_columns(series=pl.when(pl.col("group") == "zero-shot-clip").then(source).otherwise(pl.lit("")))
    # What is left is no source: its models have nothing in common that a line could show.
    return named.filter(pl.col("series") != known_source(None))
