"""Accuracy of every model on every test set, as dots with intervals."""

from __future__ import annotations

import polars as pl

from analyze.figure_data import distinct_rows
from analyze.figures import metric_dots
from analyze.figures.rows import MAX_ROWS
from analyze.report.figure import figure_of
from analyze.report.page import Section
from analyze.report.tables import results_table
from analyze.table import INTERVALS

from .gathered import Gathered, command, percent
from .methods import METHODS

METRIC = "accuracy_top1"


def accuracy_rows(gathered: Gathered) -> pl.DataFrame:
    """Return one row a model, prompt set and test set."""
    return distinct_rows(gathered.headline(METRIC))


def drawable(rows: pl.DataFrame) -> bool:
    """Tell whether a figure can hold the rows: every model has a row in every panel."""
    return rows.height > 0 and rows["model"].n_unique() * rows["dataset"].n_unique() <= MAX_ROWS


def accuracy(gathered: Gathered) -> list[Section]:
    """Return the section, or none without labels."""
    rows = accuracy_rows(gathered)
    if not rows.height:
        return []
    best = rows.sort("value", "model", descending=[True, False]).row(0, named=True)
    figure = None
    if drawable(rows):
        figure = figure_of(
            metric_dots.chart(rows, METRIC, "screen"),
            metric_dots.describe(rows, METRIC),
            metric_dots.chart(rows, METRIC, "narrow"),
        )
    return [
        Section(
            id="accuracy",
            title="Accuracy",
            finding=f"{best['model']} is highest: {percent(best)} of {best['n']:,} images of {best['dataset']}.",
            figure=figure,
            table=results_table(rows, "Accuracy of every model"),
            caption="Each dot is a model, the bar its 95 % interval. A model without a number keeps a row; prompts "
            "that were not asked of a test set have none there.",
            method=f"{METHODS[METRIC]} Interval: {INTERVALS[METRIC]}. A test set that is read under several protocols "
            "stands here under its default one; all numbers have the others.",
            command=command(("figure", "metric-dots"), gathered.words, ("--metric", METRIC)),
        )
    ]
