"""Fig. A-1 of the conference paper: all sixteen factors of ImageNet-X."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.factors import CAPTION_OF_FACTORS, SIXTEEN, factor_figure
from .recipes.remedies import study_of

ID: Final = "closer-look/fig-a1"
TITLE: Final = "All visual factors"
CAPTION: Final = CAPTION_OF_FACTORS


def draw(material: Material) -> Drawn:
    """Draw sixteen factors; a dagger marks those with few images."""
    return factor_figure(material, study_of(ID), SIXTEEN)
