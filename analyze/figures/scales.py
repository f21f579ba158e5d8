"""Axes of trend panels: where a rate stands on a probit axis, which ticks fit, what they are called.

A probit axis is a linear scale on z = Phi^-1(rate); its labels are made from z by Vega itself. Knows numbers only.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final, Literal

Scale = Literal["probit", "rate", "number"]
"""probit: a rate on its probit; rate: a rate as it is, in per cent; number: neither."""

PROBIT_LABEL: Final = "format(100*cumulativeNormal(datum.value), '.3~g')"
"""Computed by Vega from z. Looking labels up by z as text loses those below 50 %: d3 writes U+2212 for a minus."""

RATE_LABEL: Final = "format(100*datum.value, '.3~g')"

TICKS: Final = (
    *(0.5,),
    *(0.1, 0.9, 0.01, 0.99),
    *(0.05, 0.2, 0.3, 0.7, 0.8, 0.95),
    *(0.4, 0.6, 0.02, 0.98, 0.005, 0.995, 0.001, 0.999),
)
"""Rates that may carry a tick, the most wanted first."""

LEAST_GAP: Final = 22
_NORMAL = statistics.NormalDist()


def probit_ticks(low: float, high: float, length: float, gap: float = LEAST_GAP) -> list[float]:
    """Places of ticks, as z, for an axis from z = low to z = high of a given length in pixels.

    Examples
    --------
    >>> [round(_rate(z), 3) for z in probit_ticks(-1.5, 1.5, 150)]
    [0.1, 0.3, 0.5, 0.7, 0.9]
    """
    chosen: list[float] = []
    for rate in TICKS:
        z = _NORMAL.inv_cdf(rate)
        if low <= z <= high and all(abs(z - other) * length >= gap * (high - low) for other in chosen):
            chosen.append(z)
    return sorted(chosen)


def _rate(z: float) -> float:
    return _NORMAL.cdf(z)


def domain(values: Sequence[float], scale: Scale) -> list[float]:
    """From where to where an axis goes: the values with a little room.

    Raises
    ------
    ValueError
        Without values.

    Examples
    --------
    >>> domain([0.0, 0.5], "rate"), domain([1.0, 1.0], "number")
    ([0.0, 0.525], [0.95, 1.05])
    """
    if not values:
        raise ValueError("expected at least one value to draw an axis for, got none")
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    if scale == "rate":
        return [max(low - room, 0.0) if low >= 0 else low - room, min(high + room, 1.0) if high <= 1 else high + room]
    return [low - room, high + room]
