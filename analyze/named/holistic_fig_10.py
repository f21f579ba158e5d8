"""Fig. 10 of the journal paper: algorithms of fine-tuning."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.readings import CAPTION_OF_TUNING, tuning_figure
from .recipes.remedies import study_of

ID: Final = "holistic/fig-10"
TITLE: Final = "Algorithms of fine-tuning"
CAPTION: Final = CAPTION_OF_TUNING


def draw(material: Material) -> Drawn:
    """Draw two factors, detection on NINCO, and calibration."""
    return tuning_figure(material, study_of(ID))
