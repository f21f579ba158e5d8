"""Zero-shot retrieval against accuracy on ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from analyze.named.material import Drawn, Material
from analyze.panels import Spec

from .trend_figure import SOURCES, by_source, in_fits, trend_figure

CAPTION_OF_RETRIEVAL: Final = (
    "Zero-shot models: retrieval among five candidates against ImageNet top-1, per cent on probit axes. A Huber "
    "line with 95 % band for each training source, named at its end."
)
DATASETS: Final = {"flickr30k": "Flickr30k", "mscoco": "MSCOCO"}
DIRECTIONS: Final = {"image_recall_at_5": "text to image", "text_recall_at_5": "image to text"}
MISSED: Final = "/missed"


def retrieval_figure(material: Material, study: str, datasets: Sequence[str], *, missed: bool = False) -> Drawn:
    """Draw one panel a dataset and direction.

    Parameters
    ----------
    missed
        Draw 1 - recall, as the conference paper does.
    """
    rows = material.headline().filter(pl.col("group") == "zero-shot-clip")
    if missed:
        rows = pl.concat([rows, one_minus(rows.filter(pl.col("metric").is_in(list(DIRECTIONS))))])
    suffix, words = (MISSED, "1 − recall@5") if missed else ("", "recall@5")
    specs = [
        Spec(
            title=f"{DATASETS[dataset]}: {direction}",
            x="imagenet-val",
            y=f"{dataset}:all:{metric}{suffix}",
            y_title=words,
            groups=("zero-shot-clip",),
        )
        for dataset in datasets
        for metric, direction in DIRECTIONS.items()
    ]
    return trend_figure(material, rows, specs, study, fitted=by_source(in_fits(rows, material)), row=2, series=SOURCES)


def one_minus(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of what was missed, under the name ``<metric>/missed``."""
    return rows.with_columns(
        pl.col("metric") + MISSED, value=1 - pl.col("value"), lo=1 - pl.col("hi"), hi=1 - pl.col("lo")
    )
