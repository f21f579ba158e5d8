"""From per-image numbers to rows of the results table: classification, and calibration as the logits stand.

Arrays and names in, rows out. Every value comes with an interval and the number of images behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from .calibrated import Forecast
from .calibration_rows import calibration_rows, forecast_rows
from .intervals import clopper_pearson
from .judged import Judged
from .measure import Measured
from .row_key import Key
from .table import Result

__all__ = ["Key", "OnFailure", "as_they_stand", "classification", "default_detector", "under_protocol"]

OnFailure = Literal["error", "exclude", "count-wrong"]


def classification(key: Key, measured: Measured, policy: OnFailure, inside: Key | None = None) -> Iterator[Result]:
    """Yield accuracy, proper scores and calibration over the labelled images, as the logits stand.

    Stored scores know no losses: NLL and Brier score are left out then.
    """
    yield from under_protocol(key, as_they_stand(key, measured), policy, inside)


def as_they_stand(key: Key, measured: Measured) -> Judged:
    """Return the answers of the logits as they stand: every column a class."""
    labelled = measured.labels >= 0
    five = measured.numbers.top5_index
    right = measured.prediction == measured.labels
    return Judged(
        protocol=key.protocol,
        classes=(),
        counted=labelled,
        ok=measured.ok,
        top1=right,
        # A model with fewer than five classes has every answer among its first five; that says nothing.
        top5=(five == measured.labels[:, None]).any(axis=1) if (five[labelled & measured.ok] >= 0).all() else None,
        predictions=measured.prediction,
        labels=measured.labels,
        confidence=measured.confidence,
        sure=right,
        nll=measured.nll,
        brier=measured.brier,
        classwise=measured.classwise,
        scaled=measured.scaled,
    )


def under_protocol(key: Key, answers: Judged, policy: OnFailure, inside: Key | None = None) -> Iterator[Result]:
    """Yield accuracy, proper scores and calibration under a scoring protocol, as the logits stand and at temperatures.

    Where `inside` is given, the temperatures were fitted on that other set. With `count-wrong`, images that could not
    be read count as wrong in the accuracies; they have no confidence, so every other metric leaves them out.
    """
    key = replace(key, protocol=answers.protocol)
    used = answers.counted & answers.ok
    failed = int((answers.counted & ~answers.ok).sum())
    n = int(used.sum())
    counted = n + (failed if policy == "count-wrong" else 0)
    if counted == 0:
        return
    for metric, hits in (("accuracy_top1", answers.top1), ("accuracy_top5", answers.top5)):
        if hits is not None and (n or metric == "accuracy_top1"):
            k = int(hits[used].sum())
            yield key.row(metric, k / counted, clopper_pearson(k, counted), counted, failed)
    if n == 0 or answers.confidence is None or answers.sure is None:
        return
    raw = Forecast(
        used=used,
        confidence=answers.confidence,
        correct=answers.sure,
        nll=answers.nll,
        brier=answers.brier,
        classwise=answers.classwise,
    )
    yield from calibration_rows(key, raw, used, failed)
    if inside is None:
        yield from forecast_rows(key, raw, answers.scaled, used, failed)
    else:
        more = {"id_dataset": inside.dataset}
        yield from forecast_rows(key.given(inside), raw, answers.scaled, used, failed, **more)


def default_detector(prompt_set: str) -> str:
    """Return the detector that stands for a model: maximum concept matching where its head is made of text.

    `mcm` is the softmax of cosines at temperature 1 (Ming et al. 2022); at temperature 1 / logit scale it is `msp` of
    a zero-shot model's logits, whatever their bias.

    Examples
    --------
    >>> default_detector("openai-80"), default_detector("")
    ('mcm', 'msp')
    """
    return "mcm" if prompt_set else "msp"
