"""Reliability diagrams, the worst calibrated pairs of model and test set where there are many."""

from __future__ import annotations

from typing import Final

from analyze.figures import reliability

from .material import Drawn, Material

ID: Final = "reliability"
TITLE: Final = "Reliability diagrams"
CAPTION: Final = (
    "Accuracy against confidence, both in per cent; bars below the dashed line are overconfidence. Circle area is "
    "the number of images; under ten it is hollow. Of more than sixty diagrams the worst calibrated are drawn."
)
MOST_PANELS: Final = 60


def draw(material: Material) -> Drawn:
    """Draw a square a model and test set."""
    bins = material.bins
    if not bins.height:
        why = "no per-image numbers were read; `assay-analyze figure reliability` on a store reads them"
        return Drawn(table=bins, label="Nothing to draw.", missing=(("reliability", why),))
    panels = bins.unique(["model", "dataset"], keep="first", maintain_order=True)
    worst = panels.sort("ece", descending=True, maintain_order=True).head(MOST_PANELS).select("model", "dataset")
    shown = bins.join(worst, on=["model", "dataset"], how="semi", maintain_order="left")
    return Drawn(
        table=shown,
        label=reliability.describe(shown),
        chart=lambda medium: reliability.chart(shown, medium),
    )
