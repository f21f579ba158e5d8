"""Table A-1 of the conference paper: how many images ImageNet-X has of each factor."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.report.tables import Column, html_table

from .material import Drawn, Material
from .recipes.remedies import remedy, study_of

ID: Final = "closer-look/table-a1"
TITLE: Final = "Images of each factor"
CAPTION: Final = (
    "Images of ImageNet-X by their top factor, prototypes kept: as its authors' annotations count them, and as the "
    "results were measured on."
)
DATASET: Final = "imagenet-x"
OVERALL: Final = "overall"
COLUMNS: Final = (
    Column("factor", "factor"),
    Column("annotated", "annotated", "count"),
    Column("measured", "measured", "count"),
)


def draw(material: Material) -> Drawn:
    """Return the counts, the largest factor first and the whole set last."""
    rows = material.headline().filter(pl.col("dataset") == DATASET, pl.col("metric") == "accuracy_top1")
    here = dict(rows.group_by("slice").agg(pl.col("n").max()).iter_rows())
    manifest = material.datasets.get(DATASET)
    annotated = {**material.factor_counts, OVERALL: manifest.count if manifest else None}
    names = [*sorted(material.factor_counts, key=lambda name: (-material.factor_counts[name], name)), OVERALL]
    counts = [(name, annotated[name], here.get("all" if name == OVERALL else name)) for name in names]
    table = pl.DataFrame(
        counts, schema={"factor": pl.String, "annotated": pl.Int64, "measured": pl.Int64}, orient="row"
    )
    missing = (
        () if here else (("measured", f"no accuracy of {DATASET}; {remedy(study_of(ID), DATASET, material.cast)}"),)
    )
    said = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count, _ in counts)
    return Drawn(
        table=table,
        label=f"Images of each factor: {said}.",
        html=html_table(table.with_columns(pl.col("factor").str.replace_all("_", " ")), COLUMNS, TITLE),
        missing=missing,
    )
