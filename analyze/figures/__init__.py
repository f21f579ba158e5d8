"""Figures: one module each, a table in, a Vega-Lite chart out.

A figure module has ``NAME``, ``chart`` and ``describe``. It never reads the store and never computes a number that a
reader could quote: those come in the table. Adding a figure is one module and one line here; a test compares this
list with the folder.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

from . import cell_table, metric_dots, reliability, shape_bias, step_lines, strips, trend_panels

FIGURES: Final[tuple[ModuleType, ...]] = (
    cell_table,
    metric_dots,
    reliability,
    shape_bias,
    step_lines,
    strips,
    trend_panels,
)
