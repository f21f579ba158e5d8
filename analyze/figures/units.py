"""How a number is written: which metrics are rates, what their axes are called, how many digits they get.

The only place that turns a fraction into per cent. Knows names of metrics, no table and no chart.
"""

from __future__ import annotations

import math
from typing import Final, Literal

Unit = Literal["rate", "number", "count"]

PLAIN_METRICS: Final = frozenset({"nll", "brier", "temperature", "error_ratio", "error_consistency"})
"""Metrics that are no rates: written as they are. Every other metric is a fraction, written in per cent."""

TITLES: Final = {
    "accuracy_top1": "top-1 accuracy",
    "accuracy_top5": "top-5 accuracy",
    "nll": "negative log-likelihood (nats)",
    "brier": "Brier score",
    "ece_15": "expected calibration error (15 bins)",
    "ece_25": "expected calibration error (25 bins)",
    "ece_equal_mass_15": "calibration error (15 equal-mass bins)",
    "auroc": "AUROC",
    "fpr_at_95": "false positive rate at 95 % recall",
    "shape_bias": "shape bias",
    "cue_coverage": "decisions for shape or texture",
    "error_consistency": "error consistency (kappa)",
    "error_ratio": "error ratio",
    "factor_gap": "accuracy minus overall accuracy",
    "worst_factor": "accuracy on the worst factor",
    "worst_100_classes": "accuracy on the 100 worst classes",
    "misclassification_auroc": "AUROC of right against wrong answers",
    "aurc": "area under the risk-coverage curve",
}


def unit(metric: str) -> Unit:
    """Whether a metric is a rate (a fraction, written in per cent) or a plain number.

    Examples
    --------
    >>> unit("accuracy_top1"), unit("nll")
    ('rate', 'number')
    """
    return "number" if metric in PLAIN_METRICS else "rate"


def metric_title(metric: str) -> str:
    """The words and the unit of a metric's axis.

    Examples
    --------
    >>> metric_title("accuracy_top1"), metric_title("nll"), metric_title("pck_0.1")
    ('top-1 accuracy, %', 'negative log-likelihood (nats)', 'pck_0.1, %')
    """
    words = TITLES.get(metric, metric)
    return f"{words}, %" if unit(metric) == "rate" else words


def format_number(value: float, unit: Unit = "number") -> str:
    """One number as text: a rate in per cent with one decimal, a count in thousands, else three significant digits.

    Raises
    ------
    ValueError
        For NaN and infinities.

    Examples
    --------
    >>> format_number(0.7125, "rate"), format_number(50000, "count"), format_number(1.23456), format_number(100.0)
    ('71.2', '50,000', '1.23', '100')
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} must not be shown; leave the cell null to say that nothing was measured")
    if unit == "rate":
        return f"{100 * value:.1f}"
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


def format_interval(value: float, lo: float | None, hi: float | None, unit: Unit = "number") -> str:
    """A value with its interval; without one, the value alone.

    Examples
    --------
    >>> format_interval(0.7125, 0.67, 0.751, "rate"), format_interval(0.5, None, None)
    ('71.2 [67.0, 75.1]', '0.500')
    """
    if lo is None or hi is None:
        return format_number(value, unit)
    return f"{format_number(value, unit)} [{format_number(lo, unit)}, {format_number(hi, unit)}]"
