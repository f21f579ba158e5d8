"""Legends of printed figures; the page writes its own, in HTML.

A legend has to stand in every layer that uses the channel: one layer without it takes it from all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from .theme import GROUPS, SURFACES, Medium, measures

LETTER: Final = 0.58
"""Width of a letter as a share of its size."""
BESIDE_POINT: Final = 26
BESIDE_STROKE: Final = 44
"""Width of a symbol and the space around a word, in px."""


def group_legend(groups: Sequence[str], medium: Medium, *, narrow: bool = False) -> alt.Legend | None:
    """The groups of a figure in words; None on a page, and where one group alone needs none.

    Parameters
    ----------
    narrow
        Whether the figure has one panel, and so one column of a page: two words stand beside each other then.
    """
    if medium != "paper" or len(groups) < 2:
        return None
    words = {group: GROUPS[group].label for group in groups}
    told: dict[str, Any] = {"columns": 2} if narrow else {}
    label = f"{json.dumps(words)}[datum.label]"
    return alt.Legend(title=None, symbolType="circle", symbolOpacity=1, labelExpr=label, **told)


def plain_legend(values: Sequence[str], medium: Medium) -> alt.Legend | None:
    """Values that say what they are: training sources, kinds of encoder."""
    if medium != "paper" or len(values) < 2:
        return None
    # Coloured here: where a mark's own fill comes from the data, its symbol would be drawn without any.
    grey = SURFACES.second.light
    return alt.Legend(title=None, symbolOpacity=1, symbolFillColor=grey, symbolStrokeColor=grey)


def series_legend(values: Sequence[str], medium: Medium, symbol: str = "", least: int = 0) -> alt.Legend:
    """How models were read, or which line is which: in every medium, since the page's own legend knows groups only.

    Parameters
    ----------
    symbol
        The mark that shows a value, where it is no point: stroke.
    least
        The least width of a panel on the page, in px: more words than it holds go below each other. 0 for any.
    """
    grey = SURFACES.second.light
    size = measures(medium)
    words: dict[str, Any] = {"title": None, "orient": "bottom", "direction": "horizontal", "symbolOpacity": 1}
    words |= {"values": list(values), "labelFontSize": size.tick, "symbolStrokeColor": grey}
    # Dashes need length to be told apart.
    if least and medium != "paper":
        word = max(len(value) for value in values) * LETTER * size.tick + (BESIDE_STROKE if symbol else BESIDE_POINT)
        words |= {"columns": max(1, int(least / word))} if word * len(values) > least else {}
    words |= {"symbolType": symbol, "symbolSize": 40 * size.tick} if symbol else {"symbolFillColor": grey}
    return alt.Legend(**words)
