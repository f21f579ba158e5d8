"""Fig. 1 of the conference paper: accuracy on a visual factor against accuracy on the whole of ImageNet-X."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.factors import CAPTION_OF_FACTORS, TEN, factor_figure
from .recipes.remedies import study_of

ID: Final = "closer-look/fig-1"
TITLE: Final = "Visual factors"
CAPTION: Final = CAPTION_OF_FACTORS


def draw(material: Material) -> Drawn:
    """Draw the ten factors with more than 150 images."""
    return factor_figure(material, study_of(ID), TEN)
