"""Calibration error before and after one temperature, a panel a group."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.figures.step_lines import StepPanel
from analyze.figures.theme import GROUPS

from .material import Drawn, Material
from .recipes.calibration import FOUR, READINGS, calibration_rows
from .recipes.remedies import remedy
from .recipes.step_figure import SCHEMA, middles, model_steps, step_figure
from .recipes.trend_figure import MAIN

ID: Final = "before-after"
TITLE: Final = "Before and after temperature scaling"
CAPTION: Final = (
    "Expected calibration error in 15 bins. Thin lines are models; the thick line is the median of a group on "
    "ImageNet's second half, the band its quartiles. The temperature was fitted on ImageNet's first half."
)
DATASET: Final = "imagenet-val"
METRIC: Final = "ece_15"


def draw(material: Material) -> Drawn:
    """Draw a panel a group."""
    rows = calibration_rows(material, (DATASET,))
    steps = {f"{METRIC}/{name}": (at, words) for at, (name, words) in enumerate(READINGS.items())}
    rows = rows.filter(pl.col("metric").is_in(list(steps)), pl.col("group").is_in(MAIN)).with_columns(
        step=pl.col("metric").replace_strict({name: at for name, (at, _) in steps.items()}, return_dtype=pl.Int64),
        step_label=pl.col("metric").replace_strict({name: words for name, (_, words) in steps.items()}),
    )
    rows = rows.filter(pl.len().over("model") == len(steps))
    groups = [group for group in GROUPS if group in set(rows["group"])]
    if not groups:
        why = f"no {METRIC} of {DATASET} before and after; {remedy('', DATASET, material.cast)}"
        return Drawn(table=pl.DataFrame(schema=SCHEMA), label="Nothing to draw.", missing=((FOUR[DATASET], why),))
    thin = pl.concat([model_steps(rows.filter(group=group), at) for at, group in enumerate(groups)])
    thick = middles(thin, pl.lit("median"), ("group",))
    panels = [
        StepPanel(title=f"{GROUPS[group].label}", x_title="temperature", y_title="expected calibration error")
        for group in groups
    ]
    return step_figure(pl.concat([thin, thick]), panels, (), shared=True)
