"""Fig. 3 of the conference paper: out-of-distribution detection against accuracy."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.detection import CAPTION_OF_DETECTION, detection_figure
from .recipes.remedies import study_of

ID: Final = "closer-look/fig-3"
TITLE: Final = "Out-of-distribution detection"
CAPTION: Final = CAPTION_OF_DETECTION


def draw(material: Material) -> Drawn:
    """Draw AUROC and false positive rate of five sets."""
    return detection_figure(material, study_of(ID))
