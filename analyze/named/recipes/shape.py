"""Shape bias: a row a model where they are few, else a row a group and kind of encoder."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.cue_rows import SUBJECT
from analyze.figures import shape_bias, strips
from analyze.figures.strips import Strip
from analyze.figures.theme import GROUPS
from analyze.figures.units import format_number
from analyze.named.material import Drawn, Material

from .remedies import remedy
from .trend_figure import MAIN

CAPTION_OF_SHAPE: Final = (
    "Share of decisions for the shape, of those for shape or texture, on cue-conflict images. Large points are "
    "large models (many models: a dot each, the diamond the median of its row), ticks are the sixteen shapes (few "
    "models: a row each, the bar the 95 % interval)."
)
DATASET: Final = "cue-conflict"
METRIC: Final = "shape_bias"
MOST_ROWS: Final = 40
"""More models than this are dots of their groups: a row each would fill pages."""
ENCODERS: Final = ("CNN", "ViT", "other")


def shape_figure(material: Material, study: str) -> Drawn:
    """Draw shape bias, with people where the results hold them."""
    rows = material.headline().filter(
        pl.col("dataset") == DATASET,
        pl.col("metric") == METRIC,
        pl.col("group").is_in(MAIN),
        ~pl.col("model").str.contains(SUBJECT, literal=True),
    )
    humans = _humans(material)
    missing = () if humans is not None else (("humans", "no pooled observers; `assay-cache ingest --help`"),)
    pooled = rows.filter(pl.col("slice") == "all")
    if not pooled.height:
        why = f"no {METRIC} of {DATASET}"
        return Drawn(table=rows.head(0), label=f"Nothing to draw: {why}.",
                     missing=(("shape bias", f"{why}; {remedy(study, DATASET, material.cast)}"), *missing))  # fmt: skip
    if pooled.height > MOST_ROWS:
        return _strip(pooled, humans, missing)
    table = rows.filter(pl.col("model").is_in(pooled["model"].to_list())).select(
        "model",
        "group",
        pl.col("training_source").alias("source"),
        pl.col("slice").alias("category"),
        *("value", "lo", "hi", "n"),
    )
    return Drawn(
        table=table,
        label=shape_bias.describe(table, humans),
        chart=lambda medium: shape_bias.chart(table, medium, humans=humans),
        missing=missing,
    )


def _humans(material: Material) -> float | None:
    people = material.results.filter(
        pl.col("dataset") == DATASET,
        pl.col("metric") == METRIC,
        pl.col("slice") == "all",
        pl.col("variant") == "pooled",
    )
    return float(people.sort("model")["value"][0]) if people.height else None


def _strip(pooled: pl.DataFrame, humans: float | None, missing: tuple[tuple[str, str], ...]) -> Drawn:
    parts = []
    for group in (name for name in GROUPS if name in MAIN):
        for encoder in ENCODERS:
            rows = pooled.filter(pl.col("group") == group, pl.col("encoder") == encoder).sort("model")
            if rows.height:
                parts.append(_row(rows, group, f"{GROUPS[group].label}, {encoder}"))
    table = pl.concat(parts)
    line = {} if humans is None else {"line": humans, "line_words": f"humans {format_number(humans, 'rate')} %"}
    panels = (Strip(title="Shape bias of models, median of each row", x_title="shape bias", **line),)  # type: ignore[arg-type]
    return Drawn(
        table=table,
        label=strips.describe(table, panels),
        chart=lambda medium: strips.chart(table, panels, medium),
        missing=missing,
    )


def _row(rows: pl.DataFrame, group: str, words: str) -> pl.DataFrame:
    shared = {"panel": 0, "row": words, "group": group}
    middle = float(rows.select(pl.col("value").median()).item())
    dots = rows.select("model", "parameters_m", "value", "lo", "hi").with_columns(
        mark=pl.lit("model"), text=pl.lit(""), **{name: pl.lit(value) for name, value in shared.items()}
    )
    text = f"{format_number(middle, 'rate')} (n = {rows.height})"
    one = shared | {"mark": "middle", "model": "", "value": middle, "text": text}
    return pl.concat([dots, pl.DataFrame([one])], how="diagonal_relaxed").select(strips.COLUMNS)
