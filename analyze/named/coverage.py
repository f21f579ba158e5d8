"""Which groups of models have numbers on which test sets."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.figures.theme import GROUPS, known_group
from analyze.report.tables import MISSING, Cell, HtmlTable

from .material import Drawn, Material
from .recipes.remedies import remedy

ID: Final = "coverage"
TITLE: Final = "Coverage"
CAPTION: Final = (
    "Models of each group with at least one number on each test set; where a study asks for more, how many of how "
    "many. A dash: none."
)


def draw(material: Material) -> Drawn:
    """Return the table: a row a test set, a column a group."""
    here = material.results.select("model", "group", "dataset").unique()
    asked = pl.concat([material.expected, here.select(material.expected.columns)]).unique()
    if not asked.height:
        return Drawn(table=asked, label="Nothing is here and nothing was asked for.")
    grouped = [
        frame.with_columns(pl.col("group").map_elements(known_group, return_dtype=pl.String)) for frame in (here, asked)
    ]
    keys = ["dataset", "group"]
    counts = (
        grouped[1]
        .group_by(keys)
        .agg(pl.col("model").n_unique().alias("asked"))
        .join(grouped[0].group_by(keys).agg(pl.col("model").n_unique().alias("here")), on=keys, how="left")
        .with_columns(pl.col("here").fill_null(0))
        .select("dataset", "group", "here", "asked")
        .sort("dataset", "group")
    )
    cells = {(row["dataset"], row["group"]): (row["here"], row["asked"]) for row in counts.iter_rows(named=True)}
    datasets = counts["dataset"].unique(maintain_order=True).to_list()
    groups = [group for group in GROUPS if group in set(counts["group"])]
    body = tuple(
        (Cell(dataset), *(_cell(*cells.get((dataset, group), (0, 0))) for group in groups)) for dataset in datasets
    )
    html = HtmlTable(
        "Models with numbers, of those asked for", ("test set", *(GROUPS[one].label for one in groups)), body
    )
    missing = tuple(
        (
            f"{dataset}, {GROUPS[group].label}",
            f"{asked_for - found} of {asked_for} models; {remedy('', dataset, material.cast)}",
        )
        for (dataset, group), (found, asked_for) in cells.items()
        if found < asked_for
    )
    total, wanted = int(counts["here"].sum()), int(counts["asked"].sum())
    label = f"{total:,} of {wanted:,} pairs of model and test set are here, over {len(datasets)} test sets."
    return Drawn(table=counts.cast({"here": pl.Int64, "asked": pl.Int64}), label=label, html=html, missing=missing)


def _cell(here: int, asked: int) -> Cell:
    if not here:
        return Cell(f"{MISSING} of {asked}" if asked else MISSING, numeric=True, missing=True)
    return Cell(f"{here}" if here == asked else f"{here} of {asked}", numeric=True, share=here / asked)
