"""Fig. 4 of the conference paper: calibration against accuracy, on four test sets."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.calibration import CAPTION_OF_CALIBRATION, FOUR, calibration_figure
from .recipes.remedies import study_of

ID: Final = "closer-look/fig-4"
TITLE: Final = "Calibration"
CAPTION: Final = CAPTION_OF_CALIBRATION


def draw(material: Material) -> Drawn:
    """Draw calibration error and likelihood, before and after one temperature."""
    return calibration_figure(material, study_of(ID), FOUR)
