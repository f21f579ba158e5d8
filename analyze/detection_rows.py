"""Rows of detection: how well each score tells an in-distribution set from another.

Arrays and names in, rows out; every value with an interval. Images without numbers have no score, so every policy
leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .detection_intervals import aupr_interval, class_mean_auroc, class_mean_fpr
from .detectors import Detector, Scores
from .intervals import auroc_interval, fpr_interval
from .metrics.detection import RULES, aupr, auroc, fpr_at_tpr
from .row_key import Key
from .scores import ImageNumbers
from .table import Result


@dataclass(frozen=True, slots=True)
class Side:
    """One set of a comparison.

    ok
        `(n,)` which images have numbers.
    scores
        Of every detector.
    classes
        `(n,)` OOD class of each image, for sets that are told class by class; None for others.
    without
        Name of a reading -> the OOD classes that it leaves out.
    """

    key: Key
    ok: NDArray[np.bool_]
    scores: Scores
    classes: Sequence[str] | None = None
    without: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Images without numbers."""
        return int((~self.ok).sum())


def own_scores(numbers: ImageNumbers) -> Scores:
    """Return the scores of images by their own numbers, larger = more in-distribution."""
    columns = {
        "msp": numbers.confidence,
        "max_logit": numbers.max_logit,
        "energy": numbers.log_sum_exp,
        "entropy": -numbers.entropy,
        "gen": numbers.gen,
        "mcm": numbers.mcm,
        "max_cosine": numbers.max_cosine,
    }
    return {Detector(name): values for name, values in columns.items() if values is not None}


def detection_rows(inside: Side, outside: Side, default: str) -> Iterator[Result]:
    """Yield AUROC, FPR at 95 % TPR and both average precisions of every detector that both sets have.

    `n` counts the scored images of both sets. The false positive rate under other codebases' rules, with the rule as
    `variant`, and the rows of single OOD classes are told for the default detector only.

    Parameters
    ----------
    default
        Name of the model's detector.
    """
    for detector, scores in inside.scores.items():
        theirs = outside.scores.get(detector)
        if theirs is None:
            continue
        ours = scores[inside.ok]
        ours = ours[~np.isnan(ours)]
        scored = outside.ok & ~np.isnan(theirs)
        if not len(ours) or not scored.any():
            continue
        stands_for_model = detector == Detector(default, detector.protocol, space=detector.space)
        yield from _compare(inside, outside, detector, ours, theirs[scored], "all", stands_for_model)
        if outside.classes is not None:
            named = np.asarray(outside.classes, object)[scored].tolist()
            yield from _by_class(inside, outside, detector, ours, theirs[scored], named, stands_for_model)


def _key(inside: Side, outside: Side, detector: Detector) -> Key:
    both = outside.key.against(inside.key)
    return replace(both, protocol=detector.protocol) if detector.protocol else both


def _more(inside: Side, detector: Detector, name: str) -> dict[str, str]:
    return {
        "id_dataset": inside.key.dataset,
        "detector": detector.name,
        "variant": detector.variant,
        "calibration": detector.calibration,
        "slice": name,
    }


def _compare(
    inside: Side,
    outside: Side,
    detector: Detector,
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    name: str,
    every_rule: bool = False,
) -> Iterator[Result]:
    both, more = _key(inside, outside, detector), _more(inside, detector, name)
    n, failed = len(ours) + len(theirs), inside.failed + outside.failed
    yield both.row("auroc", auroc(ours, theirs), auroc_interval(ours, theirs), n, failed, **more)
    for rule in RULES if every_rule else RULES[:1]:
        value, interval = fpr_at_tpr(ours, theirs, rule=rule), fpr_interval(ours, theirs, rule=rule)
        said = {} if rule == "exact" else {"variant": rule}
        yield both.row("fpr_at_95", value, interval, n, failed, **{**more, **said})
    value = aupr(ours, theirs, "id")
    yield both.row("aupr_in", value, aupr_interval(value, len(ours)), n, failed, **more)
    value = aupr(ours, theirs, "ood")
    yield both.row("aupr_out", value, aupr_interval(value, len(theirs)), n, failed, **more)


def _by_class(
    inside: Side,
    outside: Side,
    detector: Detector,
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    named: Sequence[str],
    single: bool,
) -> Iterator[Result]:
    ours = np.sort(ours)
    of_class: dict[str, list[int]] = {}
    for at, name in enumerate(named):
        of_class.setdefault(name, []).append(at)
    scores = {name: theirs[rows] for name, rows in sorted(of_class.items())}
    if single:
        for name, some in scores.items():
            yield from _compare(inside, outside, detector, ours, some, name)
    both, failed = _key(inside, outside, detector), inside.failed + outside.failed
    for reading, left_out in {"class-mean": (), **outside.without}.items():
        counted = [some for name, some in scores.items() if name not in left_out]
        if not counted:
            continue
        more = _more(inside, detector, reading)
        n = len(ours) + sum(len(some) for some in counted)
        for metric, mean in (("auroc", class_mean_auroc), ("fpr_at_95", class_mean_fpr)):
            value, interval = mean(ours, counted)
            yield both.row(metric, value, interval, n, failed, **more)
