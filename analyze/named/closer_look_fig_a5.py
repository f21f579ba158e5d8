"""Fig. A-5 of the conference paper: masked autoencoders on factors, detection and calibration."""

from __future__ import annotations

from typing import Final

import polars as pl

from .material import Drawn, Material
from .recipes.calibration import calibration_rows, calibration_spec
from .recipes.detection import SETS, detection_rows, detection_spec
from .recipes.factors import factor_spec
from .recipes.remedies import study_of
from .recipes.trend_figure import MAIN, trend_figure

ID: Final = "closer-look/fig-a5"
TITLE: Final = "Masked autoencoders"
CAPTION: Final = (
    "Masked autoencoders, fine-tuned on ImageNet, among the other models: factors of ImageNet-X, detection, and "
    "calibration on ImageNet's second half before and after one temperature. They enter no line."
)
GROUPS: Final = (*MAIN, "mae")
FACTORS: Final = ("pose", "pattern", "shape")
DETECTED: Final = ("inaturalist", "sun", "imagenet-o")
CALIBRATED: Final = (("ece_15", "raw"), ("ece_15", "ts"), ("nll", "ts"))


def draw(material: Material) -> Drawn:
    """Draw a row of three panels for each of the three questions."""
    detection = detection_rows(material)
    calibration = calibration_rows(material, ("imagenet-val",)).filter(pl.col("metric") != "accuracy_top1")
    rows = pl.concat([detection, calibration.select(detection.columns)])
    specs = [
        *(factor_spec(name, GROUPS) for name in FACTORS),
        *(detection_spec(f"{name}:all", SETS[name], groups=GROUPS) for name in DETECTED),
        *(calibration_spec("imagenet-val", "ImageNet", *which, groups=GROUPS) for which in CALIBRATED),
    ]
    return trend_figure(material, rows, specs, study_of(ID), row=3)
