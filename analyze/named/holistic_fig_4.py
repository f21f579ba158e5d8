"""Fig. 4 of the journal paper: NINCO, AUROC as a mean over its classes."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.detection import CAPTION_OF_NINCO, ninco_figure
from .recipes.remedies import study_of

ID: Final = "holistic/fig-4"
TITLE: Final = "Detection on NINCO"
CAPTION: Final = CAPTION_OF_NINCO


def draw(material: Material) -> Drawn:
    """Draw AUROC."""
    return ninco_figure(material, study_of(ID), ("auroc",))
