"""Fig. 2 of the conference paper: shape bias of groups of models."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.remedies import study_of
from .recipes.shape import CAPTION_OF_SHAPE, shape_figure

ID: Final = "closer-look/fig-2"
TITLE: Final = "Shape bias"
CAPTION: Final = CAPTION_OF_SHAPE


def draw(material: Material) -> Drawn:
    """Draw models, or their groups by kind of encoder, from the most to the least shape-biased."""
    return shape_figure(material, study_of(ID))
