"""The marks of trend panels: which columns they have, what a panel is about, and their order of drawing.

Checks and sorts tables; draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from .rows import check_table, refuse_null
from .scales import Scale
from .theme import (
    known_group,
    known_source,
)

FIGURE: Final = "trend-panels"
"""Whose tables these are, for messages."""
COLUMNS: Final = (
    "panel",
    "mark",
    "model",
    "group",
    "source",
    "parameters_m",
    "x",
    "y",
    "zx",
    "zy",
    "lo",
    "hi",
    "n",
    "clipped",
    "part",
    "band_lo",
    "band_hi",
    "series",
    "label",
)
PER_PANEL: Final = ("x", "y", "zx", "zy", "lo", "hi", "n", "clipped", "band_lo", "band_hi")
"""Columns that a model has once a panel; the others are its own."""
DRAW_ORDER: Final = ("standard", "other", "more-data", "contrastive", "mae", "clip-ft", "vlm", "zero-shot-clip")
UNKNOWN_SIZE: Final = 25.0
"""Millions of parameters that a model of unknown size is drawn with: a null would drop its point, silently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What one panel is about.

    Attributes
    ----------
    title
        What is measured.
    images
        How many images it is measured on; 0 where that says nothing.
    x_title, y_title
        Words of the axes, without unit.
    x_scale, y_scale
        How the axes run.
    ideal
        Whether the line y = x means something: both axes are accuracies.
    joined
        Whether a thin line joins the points of one model: the same model read in several ways.
    note
        Words below the title, after the number of images.
    """

    title: str
    images: int = 0
    x_title: str
    y_title: str
    x_scale: Scale = "probit"
    y_scale: Scale = "probit"
    ideal: bool = False
    joined: bool = False
    note: str = ""


def side_by_side(table: pl.DataFrame) -> pl.DataFrame:
    """Return one row a model, with a column for each panel: ``zx_0, zy_0, zx_1``... Lines keep a row a place.

    Sixteen hundred models in six panels are sixteen hundred rows, not ten thousand.

    Examples
    --------
    >>> blank = dict.fromkeys(COLUMNS, None)
    >>> one = blank | {"mark": "model", "model": "a", "group": "mae", "zx": 0.1, "zy": 0.2}
    >>> wide = side_by_side(pl.DataFrame([one | {"panel": 0}, one | {"panel": 1, "zy": 0.3}]))
    >>> wide.select("model", "zy_0", "zy_1").rows()
    [('a', 0.2, 0.3)]
    """
    panels = sorted(set(table["panel"]))
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    own = [name for name in table.columns if name not in PER_PANEL and name not in ("panel", "label")]
    for at, given in enumerate(table.iter_rows(named=True)):
        key = ("line", at) if given["mark"] != "model" else (given["model"], given["series"])
        row = rows.setdefault(key, {name: given[name] for name in own})
        row |= {f"{name}_{given['panel']}": given[name] for name in PER_PANEL}
    kinds = {name: table.schema[name] for name in own}
    kinds |= {f"{name}_{panel}": table.schema[name] for panel in panels for name in PER_PANEL}
    return pl.DataFrame(list(rows.values()), schema=kinds)


def series_of(marks: pl.DataFrame, order: Sequence[str]) -> list[str]:
    """Return the readings or lines of a figure in their order."""
    here = set(marks["series"]) - {""}
    return [*(name for name in order if name in here), *sorted(here - set(order))]


def checked_marks(table: pl.DataFrame, panels: Sequence[Panel]) -> pl.DataFrame:
    """Checked rows in drawing order: the reference first, lines at the end."""
    numbers = ("x", "y", "zx", "zy", "lo", "hi", "band_lo", "band_hi", "parameters_m")
    check_table(table, COLUMNS, numbers, FIGURE, most=None)
    refuse_null(table, ("panel", "mark", "group", "zx", "zy"), FIGURE)
    if not set(table["panel"]) <= set(range(len(panels))):
        raise ValueError(f"{FIGURE}: expected panels 0 to {len(panels) - 1}, got {sorted(set(table['panel']))}")
    order = {group: at for at, group in enumerate(DRAW_ORDER)}
    return (
        table.select(COLUMNS)
        .with_columns(
            pl.col("group").map_elements(known_group, return_dtype=pl.String, skip_nulls=False),
            pl.col("source").map_elements(known_source, return_dtype=pl.String, skip_nulls=False),
            pl.col("series", "label").cast(pl.String).fill_null(""),
            size=pl.col("parameters_m").cast(pl.Float64).fill_null(UNKNOWN_SIZE).clip(1.0, 2000.0),
        )
        .with_columns(_order=pl.col("group").replace_strict(order, return_dtype=pl.Int64))
        .sort(
            ["panel", "mark", "_order", "model", "series", "part", "zx"],
            descending=[False, True, False, False, False, False, False],
        )
        .drop("_order")
    )
