"""Fig. A-6 of the conference paper: what retrieval misses, against accuracy."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.remedies import study_of
from .recipes.retrieval import CAPTION_OF_RETRIEVAL, retrieval_figure

ID: Final = "closer-look/fig-a6"
TITLE: Final = "Retrieval"
CAPTION: Final = CAPTION_OF_RETRIEVAL


def draw(material: Material) -> Drawn:
    """Draw 1 - recall@5 on MSCOCO, both ways."""
    return retrieval_figure(material, study_of(ID), ("mscoco",), missed=True)
