"""From per-image numbers to rows of the results table: classification, calibration, detection.

Arrays and names in, rows out. Every value comes with an interval and the number of images behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from manifests.canonical import digest

from .intervals import auroc_interval, clopper_pearson, fpr_interval, mean_interval
from .judged import Judged
from .measure import Measured
from .metrics.calibration import confidence_gap, expected_calibration_error
from .metrics.detection import auroc, fpr_at_tpr
from .resampling import ece_interval
from .table import Result

OnFailure = Literal["error", "exclude", "count-wrong"]


@dataclass(frozen=True, slots=True)
class Key:
    """The columns that all rows of a cell share."""

    model: str
    group: str
    dataset: str
    protocol: str
    prompt_set: str
    inputs: str
    n_total: int

    def row(
        self, metric: str, value: float, interval: tuple[float, float], n: int, n_failed: int, **more: Any
    ) -> Result:
        """Return one row."""
        return Result(
            model=self.model,
            group=self.group,
            dataset=self.dataset,
            protocol=self.protocol,
            prompt_set=self.prompt_set,
            inputs=self.inputs,
            metric=metric,
            value=float(value),
            lo=float(interval[0]),
            hi=float(interval[1]),
            n=n,
            n_total=self.n_total,
            n_failed=n_failed,
            **more,
        )

    def against(self, inside: Key) -> Key:
        """Return the columns of a comparison with an in-distribution set: both are read, both count."""
        return replace(
            self, inputs=digest("inputs", [inside.inputs, self.inputs]), n_total=inside.n_total + self.n_total
        )


def classification(key: Key, measured: Measured, policy: OnFailure) -> Iterator[Result]:
    """Yield accuracy, proper scores and calibration over the labelled images, as the logits stand.

    Stored scores know no losses: NLL and Brier score are left out then.
    """
    labelled = measured.labels >= 0
    five = measured.numbers.top5_index
    right = measured.prediction == measured.labels
    answers = Judged(
        protocol=key.protocol,
        classes=(),
        counted=labelled,
        ok=measured.ok,
        top1=right,
        # A model with fewer than five classes has every answer among its first five; that says nothing.
        top5=(five == measured.labels[:, None]).any(axis=1) if (five[labelled & measured.ok] >= 0).all() else None,
        confidence=measured.numbers.confidence,
        sure=right,
        nll=measured.nll,
        brier=measured.brier,
    )
    yield from under_protocol(key, answers, policy)


def under_protocol(key: Key, answers: Judged, policy: OnFailure) -> Iterator[Result]:
    """Yield accuracy, proper scores and calibration under a scoring protocol.

    With `count-wrong`, images that could not be read count as wrong in the accuracies; they have no confidence, so
    every other metric leaves them out.
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
    for metric, losses in (("nll", answers.nll), ("brier", answers.brier)):
        if losses is not None:
            yield key.row(metric, float(losses[used].mean()), _mean_interval(losses[used]), n, failed)
    confidence, correct = answers.confidence[used], answers.sure[used]
    gap = confidence - correct
    yield key.row("confidence_gap", confidence_gap(confidence, correct), _mean_interval(gap), n, failed)
    for bins in (15, 25):
        value = expected_calibration_error(confidence, correct, bins)
        yield key.row(f"ece_{bins}", value, ece_interval(confidence, correct, bins), n, failed)


def _mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    # One image has no spread to judge by; nothing is known of its mean.
    return mean_interval(values) if len(values) > 1 else (-np.inf, np.inf)


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


def detectors(measured: Measured) -> Mapping[str, NDArray[np.float64]]:
    """Return the scores of every detector, larger = more in-distribution; NaN where an image has no numbers."""
    numbers = measured.numbers
    scores = {"msp": numbers.confidence, "max_logit": numbers.max_logit, "energy": numbers.log_sum_exp}
    return scores if numbers.mcm is None else {**scores, "mcm": numbers.mcm}


def detection(key: Key, inside_key: Key, inside: Measured, outside: Measured) -> Iterator[Result]:
    """Yield AUROC and FPR at 95 % TPR of an in-distribution set against another, for every detector.

    `n` counts the images of both sets. Images without numbers have no score, so every policy leaves them out.
    """
    failed = int((~inside.ok).sum() + (~outside.ok).sum())
    id_scores, ood_scores = detectors(inside), detectors(outside)
    both = key.against(inside_key)
    for detector, scores in id_scores.items():
        ours, theirs = scores[inside.ok], ood_scores[detector][outside.ok]
        if not len(ours) or not len(theirs):
            continue
        more = {"id_dataset": inside_key.dataset, "detector": detector}
        n = len(ours) + len(theirs)
        yield both.row("auroc", auroc(ours, theirs), auroc_interval(ours, theirs), n, failed, **more)
        yield both.row("fpr_at_95", fpr_at_tpr(ours, theirs), fpr_interval(ours, theirs), n, failed, **more)
