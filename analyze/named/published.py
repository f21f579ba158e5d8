"""Published accuracies: ImageNet against five shifted test sets and retrieval, as far as others have measured them."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.panels import Panels, Spec, make_panels
from manifests.published_numbers import SOURCES

from .material import Drawn, Material
from .recipes.trend_figure import FITTING, MAIN, drawn_panels, in_fits

ID: Final = "published"
TITLE: Final = "Published accuracies"
CAPTION: Final = (
    "Each point is a model, its accuracy on a shifted test set (retrieval: recall@5) up and on ImageNet across, as "
    "its library or the ImageNet testbed reports it; probit axes, a Huber line a group, its 95 % band over families"
    " of encoders. Each group comes from the first source that has it: open_clip, timm, the testbed. ImageNet-A was"
    " made against a ResNet-50, so the standard models bend there and one line fits poorly."
)
DATASETS: Final = {
    "imagenet-v2-matched-frequency": "ImageNet-V2",
    "imagenet-r": "ImageNet-R",
    "imagenet-a": "ImageNet-A",
    "imagenet-sketch": "ImageNet-Sketch",
    "objectnet": "ObjectNet",
    "mscoco:all:image_recall_at_5": "MSCOCO, text to image",
}


def draw(material: Material) -> Drawn:
    """Draw a panel a test set."""
    rows = material.headline()
    made = [make_panels(*_chosen(in_fits(rows, material), spec), FITTING) for spec in _specs()]
    table = pl.concat([one.table.with_columns(panel=pl.lit(at, pl.Int64)) for at, one in enumerate(made)])
    panels = tuple(one.panels[0] for one in made)
    missing = tuple(gap for one in made for gap in one.missing)
    return drawn_panels(Panels(table, panels, missing), material, "", row=3)


def _specs() -> list[Spec]:
    return [
        Spec(
            title=title,
            x="imagenet-val",
            y=axis,
            y_title="recall@5" if "recall" in axis else "top-1",
            ideal="recall" not in axis,
            # The testbed's subsampled and adversarially trained models are a story of their own.
            groups=tuple(group for group in MAIN if group != "other"),
        )
        for axis, title in DATASETS.items()
    ]


def _chosen(rows: pl.DataFrame, spec: Spec) -> tuple[pl.DataFrame, list[Spec]]:
    """Rows of each group from the first source that has both axes: sources publish the same weights twice."""
    dataset = spec.y.partition(":")[0]
    both = rows.filter(pl.col("dataset").is_in([spec.x, dataset]), pl.col("slice") == "all")
    order = {source: at for at, source in enumerate(SOURCES)}
    rank = pl.col("source").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    on_both = pl.col("dataset").n_unique().over("model", "source") == 2
    both = both.filter(on_both)
    return both.filter(rank == rank.min().over("group")), [spec]
