"""Out-of-distribution detection against accuracy on ImageNet."""

from __future__ import annotations

from typing import Final

import polars as pl

from analyze.named.material import Drawn, Material
from analyze.panels import Spec

from .trend_figure import MAIN, SOURCES, by_source, in_fits, trend_figure

CAPTION_OF_DETECTION: Final = (
    "Each point is a model: detection of images out of distribution (up; AUROC, more is better, and false positives"
    " at 95 % true positives, less is better) against ImageNet top-1 (across), per cent on probit axes. Huber lines"
    " with 95 % bands, for zero-shot CLIP one for each training source, told by its dash. Zero-shot models are told"
    " by maximum concept matching, all others by their largest softmax probability."
)
CAPTION_OF_NINCO: Final = (
    "NINCO: detection as the mean over its classes, against ImageNet top-1, per cent on probit axes. Huber lines "
    "with 95 % bands, for zero-shot CLIP one for each training source, named at its end."
)
SETS: Final = {
    "inaturalist": "iNaturalist",
    "sun": "SUN",
    "places": "Places",
    "textures": "Textures",
    "imagenet-o": "ImageNet-O",
}
METRICS: Final = {"auroc": "AUROC", "fpr_at_95": "FPR@95"}
CLASS_MEAN: Final = "ninco:class-mean"


def detection_rows(material: Material, classifiers: str = "default") -> pl.DataFrame:
    """Rows that stand for their models; `classifiers` names the detector of models without a text tower."""
    usual = material.headline().filter(pl.col("id_dataset").is_in(["", "imagenet-val"]))
    if classifiers == "default":
        return usual
    other = material.headline(detector=classifiers).filter(pl.col("id_dataset") == "imagenet-val")
    return pl.concat(
        [
            usual.filter((pl.col("detector") == "") | (pl.col("prompt_set") != "")),
            other.filter((pl.col("detector") != "") & (pl.col("prompt_set") == "")),
        ]
    )


def detection_figure(material: Material, study: str, classifiers: str = "default") -> Drawn:
    """Draw AUROC, then false positive rates, of five sets."""
    specs = [detection_spec(f"{name}:all", title, metric) for metric in METRICS for name, title in SETS.items()]
    return _figure(material, study, detection_rows(material, classifiers), specs, row=len(SETS))


def ninco_figure(material: Material, study: str, metrics: tuple[str, ...]) -> Drawn:
    """Draw the means over the classes of NINCO."""
    specs = [detection_spec(CLASS_MEAN, "NINCO", metric) for metric in metrics]
    return _figure(material, study, detection_rows(material), specs, row=len(metrics))


def detection_spec(axis: str, title: str, metric: str = "auroc", groups: tuple[str, ...] = MAIN) -> Spec:
    """Detection of one set against accuracy."""
    mean = ", mean of classes" if axis == CLASS_MEAN else ""
    return Spec(
        title=f"{title}: {METRICS[metric]}",
        x="imagenet-val",
        y=f"{axis}:{metric}",
        y_title=METRICS[metric] + mean,
        groups=groups,
    )


def _figure(material: Material, study: str, rows: pl.DataFrame, specs: list[Spec], row: int) -> Drawn:
    # Training sources of zero-shot models have their own lines: that is what the figure is about.
    return trend_figure(
        material, rows, specs, study, fitted=by_source(in_fits(rows, material)), row=row, series=SOURCES
    )
