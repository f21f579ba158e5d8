"""What all panels of one trend figure have in common: sizes, ends of axes, titles, and where labels stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from .labels import Word, place_words
from .layout import columns
from .scales import domain
from .theme import (
    PAPER_COLUMN_PT,
    PAPER_DOUBLE_COLUMN_PT,
    Medium,
    measures,
)
from .trend_marks import PER_PANEL, Panel

ASPECT: Final = 0.86
SMALL_MULTIPLES: Final = 6
"""From so many panels on, shapes would blur: all models are circles then, and axes have no titles inside."""
MANY_ROWS: Final = 5


@dataclass(frozen=True, slots=True)
class Look:
    """What all panels of one figure have in common."""

    groups: list[str]
    sources: list[str]
    readings: list[str]
    dashes: list[str]
    small: bool
    one_y: bool
    across: int
    count: int
    width: int
    every: pl.DataFrame | None
    medium: Medium
    wide: bool

    @property
    def height(self) -> int:
        """Inner height of a panel; of many rows on paper less, so that they fit a page."""
        if self.medium != "paper":
            return int(self.width * ASPECT)
        return int(self.width * (0.8 if self.across * MANY_ROWS > self.count else 0.5))

    @property
    def least(self) -> int:
        """The least width of a panel on the page, in px."""
        return 180 if self.small else 260

    def ends(self, panel: Panel, marks: pl.DataFrame) -> tuple[list[float], list[float]]:
        """From where to where the axes of a panel go."""
        seen = marks if self.every is None else self.every
        # Lines are drawn on beyond their models; the axes need not follow them there.
        seen = seen.filter(~pl.col("part").is_in(["below", "above"]))
        x, y = ([*seen[name]] or [0.0, 1.0] for name in ("zx", "zy"))
        return domain(x, panel.x_scale), domain(y, panel.y_scale)

    def fields(self, index: int) -> Mapping[str, str]:
        """Where a panel's numbers stand in the data of the chart."""
        return {name: f"{name}_{index}" if self.wide else name for name in PER_PANEL}

    def titled(self, index: int) -> tuple[bool, bool]:
        """Whether the axes of a panel carry their titles: all of a few; of many only those at the edge, on paper."""
        if not self.small:
            return True, True
        if self.medium != "paper":
            return False, False
        return index + self.across >= self.count, self.one_y and index % self.across == 0


def across_and_width(count: int, row: int, medium: Medium) -> tuple[int, int]:
    """How many panels stand side by side, and the inner width of one."""
    small = count >= SMALL_MULTIPLES
    # Five in a line only where five belong together: 4 + 4 + 2 looks broken.
    most = (5 if row % 5 == 0 else 4) if small else 3
    if medium != "paper":
        return columns(count, row, most), 200 if small else 300
    total, most = (PAPER_COLUMN_PT, 1) if count == 1 else (PAPER_DOUBLE_COLUMN_PT, most)
    across = columns(count, row, most)
    return across, int((total - 16 - across * (26 if small else 38)) / across)


def placed_labels(marks: pl.DataFrame, panels: Sequence[Panel], look: Look) -> pl.DataFrame:
    """Say where the words of each mark stand; words without a place are left out."""
    if look.small and not look.readings:
        marks = marks.with_columns(label=pl.lit(""))
    if not (marks["label"] != "").any():
        return marks
    parts = []
    for index, panel in enumerate(panels):
        part = marks.filter(pl.col("panel") == index)
        (left, right), (low, high) = look.ends(panel, part)
        x = [look.width * (z - left) / (right - left) for z in part["zx"]]
        y = [look.height * (high - z) / (high - low) for z in part["zy"]]
        model = (part["mark"] == "model").to_list()
        words = [Word(x[at], y[at], text) for at, text in enumerate(part["label"]) if text]
        solid = [(x[at], y[at]) for at, is_model in enumerate(model) if is_model]
        places = iter(place_words(words, solid, (look.width, look.height), measures(look.medium).tick))
        shifts = [next(places) if text else None for text in part["label"]]
        parts.append(
            part.with_columns(
                label=pl.Series([text if shift else "" for text, shift in zip(part["label"], shifts, strict=True)]),
                dx=pl.Series([shift.dx if shift else None for shift in shifts], dtype=pl.Float64),
                dy=pl.Series([shift.dy if shift else None for shift in shifts], dtype=pl.Float64),
                align=pl.Series([shift.align if shift else None for shift in shifts], dtype=pl.String),
            )
        )
    return pl.concat(parts)
