"""Table 1 of the conference paper: input resolution in fine-tuning."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.remedies import study_of
from .recipes.resolution import CAPTION_OF_RESOLUTION, resolution_table

ID: Final = "closer-look/table-1"
TITLE: Final = "Input resolution in fine-tuning"
CAPTION: Final = CAPTION_OF_RESOLUTION


def draw(material: Material) -> Drawn:
    """Return the table of seven pairs."""
    return resolution_table(material, study_of(ID))
