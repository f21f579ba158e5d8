"""A named figure or table as it is shown: drawn, with words that say who plays where stand-ins do."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from analyze.stand_ins import Cast, told

from .material import Drawn, Material


def draw(module: ModuleType, material: Material) -> Drawn:
    """Draw a module of `NAMED`; its label says who plays.

    Raises
    ------
    UsageError
        As the figure does, for results that it cannot have.
    """
    drawn: Drawn = module.draw(material)
    return replace(drawn, label=told(drawn.label, material.cast))


def caption(module: ModuleType, cast: Cast) -> str:
    """Return the caption of a module of `NAMED` for some cast."""
    return told(str(module.CAPTION), cast)
