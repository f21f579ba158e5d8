"""Legends of printed figures; the page writes its own, in HTML.

A legend has to stand in every layer that uses the channel: one layer without it takes it from all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt

from .theme import GROUPS, SURFACES, Medium, measures


def group_legend(groups: Sequence[str], medium: Medium) -> alt.Legend | None:
    """The groups of a figure in words; None on a page, and where one group alone needs none."""
    if medium != "paper" or len(groups) < 2:
        return None
    words = {group: GROUPS[group].label for group in groups}
    return alt.Legend(title=None, symbolType="circle", symbolOpacity=1, labelExpr=f"{json.dumps(words)}[datum.label]")


def plain_legend(values: Sequence[str], medium: Medium) -> alt.Legend | None:
    """Values that say what they are: training sources, kinds of encoder."""
    if medium != "paper" or len(values) < 2:
        return None
    # Coloured here: where a mark's own fill comes from the data, its symbol would be drawn without any.
    grey = SURFACES.second.light
    return alt.Legend(title=None, symbolOpacity=1, symbolFillColor=grey, symbolStrokeColor=grey)


def series_legend(values: Sequence[str], medium: Medium, symbol: str = "") -> alt.Legend:
    """How models were read, or which line is which: in every medium, since the page's own legend knows groups only."""
    grey = SURFACES.second.light
    size = measures(medium)
    words: dict[str, Any] = {"title": None, "orient": "bottom", "direction": "horizontal", "symbolOpacity": 1}
    words |= {"values": list(values), "labelFontSize": size.tick, "symbolStrokeColor": grey}
    # Dashes need length to be told apart.
    words |= {"symbolType": symbol, "symbolSize": 40 * size.tick} if symbol else {"symbolFillColor": grey}
    return alt.Legend(**words)
