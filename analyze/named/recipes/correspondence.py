"""Correspondence by change of view."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from analyze.figures.step_lines import StepPanel
from analyze.figures.theme import GROUPS
from analyze.named.material import Drawn, Material

from .remedies import remedy
from .step_figure import SCHEMA, middles, model_steps, step_figure

DATASETS: Final = {
    "scannet": ("ScanNet", "recall_10px", "recall at 10 px", "rotation, degrees"),
    "navi": ("NAVI", "recall_2cm", "recall at 2 cm", "rotation, degrees"),
    "spair-71k": ("SPair-71k", "pck_0.1", "PCK at 0.1", "difference of view"),
}
VIEW: Final = re.compile(r"view[^/]*/(\d+).*")
"""Slices that are bins of the change of view: ``view/0-30``."""


def correspondence_figure(material: Material, study: str) -> Drawn:
    """Draw one panel a dataset: every model thin, kinds of encoder in each group thick."""
    rows = material.headline()
    parts = [pl.DataFrame(schema=SCHEMA)]
    panels, missing = [], []
    for panel, (dataset, (title, metric, words, view)) in enumerate(DATASETS.items()):
        panels.append(StepPanel(title=title, x_title=view, y_title=words))
        here = rows.filter(
            pl.col("dataset") == dataset, pl.col("metric") == metric, pl.col("slice").str.contains(f"^{VIEW.pattern}$")
        )
        if not here.height:
            missing.append(
                (title, f"no {metric} of {dataset} by change of view; {remedy(study, dataset, material.cast)}")
            )
            continue
        parts.append(model_steps(_ordered(here), panel))
    steps = pl.concat(parts)
    named = pl.concat_str(
        pl.col("group").replace_strict({key: one.label for key, one in GROUPS.items()}, default=pl.col("group")),
        pl.lit(", "),
        pl.col("encoder"),
    )
    thick = middles(steps, named, ("group", "encoder"))
    return step_figure(pl.concat([steps, thick]), panels, tuple(missing), shared=False)


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """Bins by where they begin."""
    start = pl.col("slice").str.extract(VIEW.pattern).cast(pl.Int64)
    return rows.with_columns(
        step=start.rank("dense").cast(pl.Int64) - 1, step_label=pl.col("slice").str.split("/").list.last()
    )
