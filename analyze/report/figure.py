"""A chart taken apart for the page: the spec without its data, the data as columns, the words for a screen reader.

Knows the JSON of a chart, not the figure that made it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from analyze.figures.theme import colours_as_css

TABLE = "table"
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Figure:
    """What the page draws: ``{"layer": ..., "data": {"name": "table"}}`` and ``{"model": [...], "value": [...]}``.

    Attributes
    ----------
    spec
        Vega-Lite spec without data, config and schema, its colours spelt as CSS variables.
    data
        The table behind the chart, a list for each column, all equally long.
    label
        The chart in words with its numbers, from the figure's ``describe``.
    narrow
        Spec for a panel too narrow for names beside their rows, or None if the same one serves.
    """

    spec: dict[str, Any]
    data: dict[str, list[Any]]
    label: str
    narrow: dict[str, Any] | None = field(default=None)

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self.data.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of a figure must be equally long; got {lengths}")
        if not self.label.strip():
            raise ValueError("a figure needs a label: a reader who does not see it gets nothing else")

    @property
    def filtered(self) -> bool:
        """Whether the reader can switch groups of it off."""
        return any(param["name"] == "off" for param in self.spec.get("params", ()))

    @property
    def panels(self) -> int:
        """How many panels stand beside each other."""
        return len(self.spec.get("concat", (self.spec,)))

    @property
    def marks(self) -> int:
        """Rows of data, at most one mark of a layer each."""
        return max((len(values) for values in self.data.values()), default=0)

    def packed(self) -> dict[str, Any]:
        """The data as the page embeds it: of columns that repeat themselves each value once, with places."""
        return {name: _packed(values) for name, values in self.data.items()}


def figure_of(chart: alt.TopLevelMixin, label: str, narrow: alt.TopLevelMixin | None = None) -> Figure:
    """Take a screen chart apart.

    Parameters
    ----------
    chart
        Chart for ``screen`` that holds its rows inline under the name ``table``, as `figures.rows.inline` puts them.
    label
        The chart in words.
    narrow
        The same figure for ``narrow``; it must hold the same rows.

    Raises
    ------
    ValueError
        If a chart does not hold inline rows under that name, or the two hold different rows.
    """
    spec, rows = _take_apart(chart)
    small = None
    if narrow is not None:
        small, same = _take_apart(narrow)
        if same != rows:
            raise ValueError("the narrow chart must hold the rows of the wide one: the page embeds them once")
        small = None if small == spec else small
    return Figure(spec=spec, data=_columns(rows), label=label, narrow=small)


def _packed(values: Sequence[Any]) -> Any:
    """A column, or its distinct values and the place of each row's among them.

    Floats are embedded at `DIGITS` significant digits, which no screen shows.

    Examples
    --------
    >>> _packed(["clip", "clip", "mae", "clip"]), _packed([0.5, 1 / 3, None])
    ({'words': ['clip', 'mae'], 'at': [0, 0, 1, 0]}, [0.5, 0.333333, None])
    """
    short = [float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for value in values]
    # By type, too: 1, 1.0 and true are equal and are not the same.
    words = {(type(value), value): value for value in short}
    if 2 * len(words) > len(short):
        return short
    places = {key: at for at, key in enumerate(words)}
    return {"words": list(words.values()), "at": [places[type(value), value] for value in short]}


def _take_apart(chart: alt.TopLevelMixin) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    # Not validated again: every part was when it was made, and a big figure takes seconds.
    spec: dict[str, Any] = chart.to_dict(validate=False)
    data = spec.get("data", {})
    if data.get("name") != TABLE or "values" not in data:
        raise ValueError(f"expected a chart with inline rows named {TABLE!r}; got data {sorted(data)}")
    spec["data"] = {"name": TABLE}
    # One theme for the page, and no address in a spec.
    for key in ("config", "$schema"):
        spec.pop(key, None)
    return colours_as_css(spec), data["values"]


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = list(rows[0]) if rows else []
    return {name: [row[name] for row in rows] for name in names}
