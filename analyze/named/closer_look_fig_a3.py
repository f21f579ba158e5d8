"""Fig. A-3 of the conference paper: NINCO, means over its classes."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.detection import CAPTION_OF_NINCO, ninco_figure
from .recipes.remedies import study_of

ID: Final = "closer-look/fig-a3"
TITLE: Final = "Detection on NINCO"
CAPTION: Final = CAPTION_OF_NINCO


def draw(material: Material) -> Drawn:
    """Draw AUROC and false positive rate."""
    return ninco_figure(material, study_of(ID), ("auroc", "fpr_at_95"))
