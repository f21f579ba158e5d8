"""Fig. 7 of the journal paper: correspondence by change of view."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.correspondence import correspondence_figure
from .recipes.remedies import study_of

ID: Final = "holistic/fig-7"
TITLE: Final = "Correspondence"
CAPTION: Final = (
    "Recall of matches by the change of view between two images. Thin lines are models, thick ones the median of "
    "three or more of a group with one kind of encoder, the band its quartiles; dash and symbol say the encoder."
)


def draw(material: Material) -> Drawn:
    """Draw one panel a dataset."""
    return correspondence_figure(material, study_of(ID))
