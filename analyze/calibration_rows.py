"""Rows of proper scores and calibration errors of one forecast, and of what a temperature changed.

Arrays and names in, rows out; every value with an interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibrated import Forecast
from .calibration_intervals import calibration_family, ece_delta
from .intervals import mean_interval
from .metrics.brier_parts import top_label_losses
from .metrics.calibration import confidence_gap, expected_calibration_error, sharpness
from .metrics.null_ece import null_ece
from .resampling import Interval, ece_interval
from .row_key import Key
from .table import Result
from .temperatures import Fitted


def calibration_rows(
    key: Key, forecast: Forecast, used: NDArray[np.bool_], n_failed: int, **more: Any
) -> Iterator[Result]:
    """Yield nll, brier, confidence gap and the family of calibration errors over the images that are used.

    Parameters
    ----------
    used
        `(n,)` images that count and have numbers; those outside the forecast are left out.
    more
        Further columns of the rows.
    """
    used = used & forecast.used
    n = int(used.sum())
    if n == 0:
        return

    def row(metric: str, value: float, interval: Interval) -> Result:
        return key.row(
            metric, value, interval, n, n_failed, calibration=forecast.calibration, slice=forecast.slice, **more
        )

    for metric, losses in (("nll", forecast.nll), ("brier", forecast.brier)):
        if losses is not None:
            yield row(metric, float(losses[used].mean()), _mean_interval(losses[used]))
    confidence, correct = forecast.confidence[used], forecast.correct[used]
    yield row("confidence_gap", confidence_gap(confidence, correct), _mean_interval(confidence - correct))
    for bins in (15, 25):
        value = expected_calibration_error(confidence, correct, bins)
        yield row(f"ece_{bins}", value, ece_interval(confidence, correct, bins))
    for metric, (value, interval) in calibration_family(confidence, correct).items():
        yield row(metric, value, interval)
    value, lo, hi = null_ece(confidence)
    yield row("ece_15_null", value, (lo, hi))
    squares = top_label_losses(confidence, correct)
    yield row("brier_top_label", float(squares.mean()), _mean_interval(squares))
    yield row("sharpness", sharpness(confidence), _variance_interval(confidence))
    # The sums know which images they have seen; they stand for this row only if those are the ones that count.
    if forecast.classwise is not None and forecast.classwise.n == n:
        yield row("ece_classwise", forecast.classwise.mean(), forecast.classwise.interval())


def delta_rows(
    key: Key, before: Forecast, after: Forecast, used: NDArray[np.bool_], n_failed: int, **more: Any
) -> Iterator[Result]:
    """Yield what a temperature changed, after minus before, over the images of both forecasts."""
    used = used & before.used & after.used
    n = int(used.sum())
    if n == 0:
        return
    more = {"calibration": after.calibration, "slice": after.slice, **more}
    value, interval = ece_delta(before.confidence[used], after.confidence[used], after.correct[used])
    yield key.row("ece_15_delta", value, interval, n, n_failed, **more)
    for metric, first, second in (("nll", before.nll, after.nll), ("brier", before.brier, after.brier)):
        if first is not None and second is not None:
            change = second[used] - first[used]
            yield key.row(f"{metric}_delta", float(change.mean()), _mean_interval(change), n, n_failed, **more)


def forecast_rows(
    key: Key, raw: Forecast, scaled: Sequence[Forecast], used: NDArray[np.bool_], n_failed: int, **more: Any
) -> Iterator[Result]:
    """Yield the rows of every other reading of the logits, and what each changed.

    Readings of a slice come with their own raw one, on the same images: the changes are paired.
    """
    own_raw = {raw.slice: raw} | {one.slice: one for one in scaled if one.calibration == "raw"}
    for one in scaled:
        yield from calibration_rows(key, one, used, n_failed, **more)
        if one.calibration != "raw":
            yield from delta_rows(key, own_raw.get(one.slice, raw), one, used, n_failed, **more)


def temperature_row(key: Key, fitted: Fitted, calibration: str, n_failed: int, **more: Any) -> Result:
    """Return the row of a fitted temperature."""
    found = fitted.temperature
    more = {"calibration": calibration, "slice": "calibration-half", **more}
    return key.row("temperature", found.temperature, found.interval(), fitted.n, n_failed, **more)


def _mean_interval(values: NDArray[np.float64]) -> Interval:
    # One image has no spread to judge by; nothing is known of its mean.
    return mean_interval(values) if len(values) > 1 else (-np.inf, np.inf)


def _variance_interval(values: NDArray[np.float64]) -> Interval:
    """Return Student's interval of the mean squared deviation; nothing is known of one image's."""
    lo, hi = _mean_interval((values - values.mean()) ** 2)
    return max(0.0, lo), min(0.25, hi)
