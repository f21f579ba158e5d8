"""Fig. 6 of the journal paper: retrieval against accuracy."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.remedies import study_of
from .recipes.retrieval import CAPTION_OF_RETRIEVAL, DATASETS, retrieval_figure

ID: Final = "holistic/fig-6"
TITLE: Final = "Retrieval"
CAPTION: Final = CAPTION_OF_RETRIEVAL


def draw(material: Material) -> Drawn:
    """Draw recall@5 on two datasets, both ways."""
    return retrieval_figure(material, study_of(ID), tuple(DATASETS))
