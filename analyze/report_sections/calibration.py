"""Reliability diagrams: is a model as often right as it is sure?"""

from __future__ import annotations

import polars as pl

from analyze.figures import reliability
from analyze.report.figure import figure_of
from analyze.report.page import Section
from analyze.report.tables import Column, html_table

from .gathered import Gathered, command
from .methods import METHODS

MOST_PANELS = 60
"""More reliability diagrams than this are nobody's reading; the worst calibrated ones are drawn."""

COLUMNS = (
    Column("model", "model"),
    Column("test set", "dataset"),
    Column("confidence over", "lower", "rate"),
    Column("up to", "upper", "rate"),
    Column("images", "n", "count"),
    Column("mean confidence", "mean_confidence", "rate"),
    Column("accuracy [95 %]", "accuracy", "rate", ("accuracy_lo", "accuracy_hi")),
)


def worst_panels(bins: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the bins of the worst calibrated panels, in their order, and how many panels there are."""
    panels = bins.unique(["model", "dataset"], keep="first", maintain_order=True)
    worst = panels.sort("ece", descending=True, maintain_order=True).head(MOST_PANELS).select("model", "dataset")
    return bins.join(worst, on=["model", "dataset"], how="semi", maintain_order="left"), panels.height


def calibration(gathered: Gathered) -> list[Section]:
    """Return the section, or none without labels and confidences."""
    every = gathered.seen.bins()
    if not every.height:
        return []
    bins, panels = worst_panels(every)
    worst = bins.sort("ece", descending=True, maintain_order=True).row(0, named=True)
    figure = figure_of(reliability.chart(bins, "screen"), reliability.describe(bins), reliability.chart(bins, "narrow"))
    drawn = f" Drawn: the {MOST_PANELS} worst calibrated of {panels:,}." if panels > MOST_PANELS else ""
    return [
        Section(
            id="reliability",
            title="Reliability diagrams",
            finding=f"The largest expected calibration error is {100 * worst['ece']:.1f} points: {worst['model']} on "
            f"{worst['dataset']}.",
            figure=figure,
            table=html_table(bins, COLUMNS, "Bins of the reliability diagrams"),
            caption="Accuracy against confidence, both in per cent. On the dashed line a model is as often right as it "
            "is sure; bars below it are overconfidence. Circle area is the number of images; under ten it is hollow."
            + drawn,
            method=f"{METHODS['ece_15']} Where classes are merged, their probabilities are summed. Interval of a bin: "
            "Clopper-Pearson. ECE is biased upwards on few images.",
            command=command(("figure", "reliability"), gathered.words),
        )
    ]
