"""The papers' figures and tables, by name: one module each, which says what it shows and from which rows.

A module has ``ID``, ``TITLE``, ``CAPTION`` and ``draw(material) -> Drawn``. How a kind of figure is made stands in
`recipes`, since both papers show most of them; charts come from `analyze.figures`, lines and deviations from the trend
code. Adding one is one module and one line in ``NAMED``; a test compares this list with the folder and with the names
that the contract gives.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

from . import (
    before_after,
    closer_look_fig_1,
    closer_look_fig_2,
    closer_look_fig_3,
    closer_look_fig_4,
    closer_look_fig_5,
    closer_look_fig_a1,
    closer_look_fig_a2,
    closer_look_fig_a3,
    closer_look_fig_a4,
    closer_look_fig_a5,
    closer_look_fig_a6,
    closer_look_table_1,
    closer_look_table_a1,
    coverage,
    deviations,
    holistic_fig_1,
    holistic_fig_2,
    holistic_fig_3,
    holistic_fig_4,
    holistic_fig_5,
    holistic_fig_6,
    holistic_fig_7,
    holistic_fig_8,
    holistic_fig_9,
    holistic_fig_10,
    holistic_table_1,
    holistic_table_2,
    holistic_table_3,
    holistic_table_4,
    leakage,
    published,
    reliability,
)

NAMED: Final[tuple[ModuleType, ...]] = (
    closer_look_fig_1,
    closer_look_fig_2,
    closer_look_fig_3,
    closer_look_fig_4,
    closer_look_fig_5,
    closer_look_fig_a1,
    closer_look_fig_a2,
    closer_look_fig_a3,
    closer_look_fig_a4,
    closer_look_fig_a5,
    closer_look_fig_a6,
    closer_look_table_1,
    closer_look_table_a1,
    holistic_fig_1,
    holistic_fig_2,
    holistic_fig_3,
    holistic_fig_4,
    holistic_fig_5,
    holistic_fig_6,
    holistic_fig_7,
    holistic_fig_8,
    holistic_fig_9,
    holistic_fig_10,
    holistic_table_1,
    holistic_table_2,
    holistic_table_3,
    holistic_table_4,
    published,
    deviations,
    before_after,
    reliability,
    coverage,
    leakage,
)
"""Those of the papers, paper by paper, then those of no paper, whose names have no slash."""

BY_NAME: Final = {str(module.ID): module for module in NAMED}
