"""Fig. A-2 of the conference paper: detection by the largest logit for models without a text tower."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.detection import CAPTION_OF_DETECTION, detection_figure
from .recipes.remedies import study_of

ID: Final = "closer-look/fig-a2"
TITLE: Final = "Detection with the largest logit"
CAPTION: Final = CAPTION_OF_DETECTION + " Here models without a text tower are told by their largest logit."


def draw(material: Material) -> Drawn:
    """Draw AUROC and false positive rate of five sets."""
    return detection_figure(material, study_of(ID), classifiers="max_logit")
