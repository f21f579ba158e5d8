"""Calibration error and likelihood against accuracy, as the logits stand and after temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from analyze.named.material import Drawn, Material
from analyze.panels import Spec

from .trend_figure import MAIN, trend_figure

CAPTION_OF_CALIBRATION: Final = (
    "Each point is a model: expected calibration error (per cent, 15 bins) or negative log-likelihood (nats) up, "
    "top-1 on the same test set across, less is better. raw: as the logits stand; scaled: after one temperature "
    "that was fitted on half of ImageNet's validation set, whose other half is drawn. No line is fitted."
)
FOUR: Final = {
    "imagenet-val": "ImageNet",
    "imagenet-v2-matched-frequency": "V2",
    "imagenet-r": "R",
    "imagenet-a": "A",
}
SEVEN: Final = {**FOUR, "imagenet-sketch": "Sketch", "objectnet": "ObjectNet", "imagenet-vid-robust": "Vid-Robust"}
METRICS: Final = {"ece_15": "ECE", "nll": "NLL"}
READINGS: Final = {"raw": "raw", "ts": "scaled"}
TEST_HALF: Final = "test-half"
"""Slice of ImageNet's images on which no temperature was fitted: before and after are compared there."""


def calibration_figure(material: Material, study: str, datasets: dict[str, str]) -> Drawn:
    """Draw four panels a dataset: ECE and NLL, before and after."""
    specs = [
        calibration_spec(name, title, metric, reading)
        for name, title in datasets.items()
        for metric in METRICS
        for reading in READINGS
    ]
    return trend_figure(material, calibration_rows(material, tuple(datasets)), specs, study, row=4)


def calibration_spec(dataset: str, title: str, metric: str, reading: str, groups: tuple[str, ...] = MAIN) -> Spec:
    """One reading of one metric against accuracy on the same set; no line is fitted, none is expected."""
    return Spec(
        title=f"{title}: {METRICS[metric]}, {READINGS[reading]}",
        x=dataset,
        y=f"{dataset}:all:{metric}/{reading}",
        x_title="top-1 on the same images",
        y_title=METRICS[metric] + (" (nats)" if metric == "nll" else ""),
        x_scale="rate",
        y_scale="number" if metric == "nll" else "rate",
        groups=groups,
    )


def calibration_rows(material: Material, datasets: Sequence[str], prompt_set: str = "openai-80") -> pl.DataFrame:
    """Accuracies, and metrics of calibration under the names ``ece_15/raw``, ``ece_15/ts``, ``nll/raw``..."""
    parts = []
    for reading in READINGS:
        rows = material.headline(calibration=reading, prompt_set=prompt_set).filter(pl.col("dataset").is_in(datasets))
        if reading == "raw":
            parts.append(rows.filter(pl.col("metric") == "accuracy_top1", pl.col("slice") == "all"))
        rows = _one_half(rows.filter(pl.col("metric").is_in(list(METRICS))))
        parts.append(rows.with_columns(pl.col("metric") + f"/{reading}", slice=pl.lit("all")))
    return pl.concat(parts)


def _one_half(rows: pl.DataFrame) -> pl.DataFrame:
    """Of ImageNet the half that saw no fit, where a model has it; of other sets all images."""
    place = ["model", "dataset", "metric"]
    halved = (pl.col("slice") == TEST_HALF).any().over(place)
    return rows.filter(pl.when(halved).then(pl.col("slice") == TEST_HALF).otherwise(pl.col("slice") == "all"))
