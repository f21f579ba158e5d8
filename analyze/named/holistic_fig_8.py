"""Fig. 8 of the journal paper: 3D corruptions, convolutional against attending CLIPs."""

from __future__ import annotations

from typing import Final

from .material import Drawn, Material
from .recipes.corruptions import corruption_figure
from .recipes.remedies import study_of

ID: Final = "holistic/fig-8"
TITLE: Final = "3D corruptions"
CAPTION: Final = (
    "CLIPs trained on LAION, a row a corruption, a column a severity; probit axes, one Huber line each for "
    "convolutional and attending encoders. tan Δ is the tangent of the angle between the two lines on accuracies as"
    " they are, with a 95 % interval over resampled models; the data beside hold the slopes, their difference and the"
    " tangent on both scales."
)


def draw(material: Material) -> Drawn:
    """Draw eighteen panels."""
    return corruption_figure(material, study_of(ID))
