"""Fig. 9 of the journal paper: prompt sets at test time."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.detection import CLASS_MEAN, detection_spec
from .recipes.readings import CAPTION_OF_PROMPTS, prompt_figure
from .recipes.remedies import study_of

ID: Final = "holistic/fig-9"
TITLE: Final = "Prompts at test time"
CAPTION: Final = CAPTION_OF_PROMPTS


def draw(material: Material) -> Drawn:
    """Draw factor, detection on NINCO, and calibration."""
    return prompt_figure(material, study_of(ID), detection_spec(CLASS_MEAN, "NINCO"))
