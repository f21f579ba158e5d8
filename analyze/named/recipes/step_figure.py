"""Models over ordered steps, and the middles of their groups."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from analyze.figures import step_lines
from analyze.figures.step_lines import StepPanel
from analyze.named.material import Drawn

SCHEMA = {
    "panel": pl.Int64,
    **dict.fromkeys(("mark", "line", "group", "encoder"), pl.String),
    "step": pl.Int64,
    "step_label": pl.String,
    **dict.fromkeys(("y", "lo", "hi"), pl.Float64),
    "n": pl.Int64,
}
QUARTILES = (0.25, 0.75)
FEWEST = 3
"""Models of a middle at least: fewer are single lines, and stand for themselves."""


def model_steps(rows: pl.DataFrame, panel: int) -> pl.DataFrame:
    """Thin lines: ``model, group, encoder, step, step_label, value, lo, hi, n`` as `step_lines` wants them."""
    return rows.select(
        pl.lit(panel, pl.Int64).alias("panel"),
        pl.lit("model").alias("mark"),
        pl.col("model").alias("line"),
        pl.col("group", "encoder"),
        pl.col("step").cast(pl.Int64),
        "step_label",
        pl.col("value").alias("y"),
        pl.col("lo", "hi", "n"),
    ).cast(SCHEMA)  # type: ignore[arg-type]


def middles(steps: pl.DataFrame, named: pl.Expr, by: Sequence[str]) -> pl.DataFrame:
    """Thick lines: the median of three or more models at each step, with their quartiles as a band.

    Parameters
    ----------
    named
        What a line is called.
    by
        Columns that tell lines of one panel apart.
    """
    keys = ["panel", *by, "step", "step_label"]
    lo, hi = QUARTILES
    found = (
        steps.group_by(keys, maintain_order=True)
        .agg(
            pl.col("group").first().alias("_group"),
            pl.col("y").median(),
            pl.col("y").quantile(lo, "linear").alias("lo"),
            pl.col("y").quantile(hi, "linear").alias("hi"),
            pl.col("line").n_unique().cast(pl.Int64).alias("n"),
            pl.col("encoder").unique().sort().first().alias("_encoder"),
        )
        .filter(pl.col("n") >= FEWEST)
        .with_columns(line=named)
    )
    encoder = "encoder" if "encoder" in by else "_encoder"
    group = "group" if "group" in by else "_group"
    return found.select(
        "panel",
        pl.lit("middle").alias("mark"),
        "line",
        pl.col(group).alias("group"),
        pl.col(encoder).alias("encoder"),
        "step",
        "step_label",
        pl.col("y", "lo", "hi", "n"),
    ).cast(SCHEMA)  # type: ignore[arg-type]


def step_figure(
    table: pl.DataFrame, panels: Sequence[StepPanel], missing: tuple[tuple[str, str], ...], *, shared: bool
) -> Drawn:
    """Return lines over steps; without any, nothing but what is missing."""
    if not table.height:
        return Drawn(table=table, label="Nothing to draw.", missing=missing)
    return Drawn(
        table=table,
        label=step_lines.describe(table, panels),
        chart=lambda medium: step_lines.chart(table, panels, medium, shared=shared),
        missing=missing,
    )
