"""Rows of parts of a dataset: accuracy in every slice, and what annotated factors do to it.

Arrays and names in, rows out. `n_total` stays that of the dataset, as in every row of the cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .factor_intervals import factor_intervals, worst_class_interval
from .intervals import clopper_pearson
from .judged import Judged
from .metrics.calibration import expected_calibration_error
from .metrics.factors import error_ratios, factor_accuracies, worst_class_accuracy
from .metrics.null_ece import null_ece
from .resampling import ece_interval
from .results import Key, OnFailure
from .slices import Slice
from .table import Result

WORST_CLASSES = 100


def slice_accuracies(key: Key, answers: Judged, part: Slice, policy: OnFailure) -> Iterator[Result]:
    """Yield top-1 and top-5 accuracy over the images of a slice; nothing if none of them counts.

    With `count-wrong`, images that could not be read count as wrong.
    """
    key = replace(key, protocol=answers.protocol)
    counted, ok = answers.counted[part.rows], answers.ok[part.rows]
    used, failed = part.rows[counted & ok], int((counted & ~ok).sum())
    n = len(used) + (failed if policy == "count-wrong" else 0)
    if n == 0:
        return
    for metric, hits in (("accuracy_top1", answers.top1), ("accuracy_top5", answers.top5)):
        if hits is not None and (len(used) or metric == "accuracy_top1"):
            k = int(hits[used].sum())
            yield key.row(metric, k / n, clopper_pearson(k, n), n, failed, slice=part.name)


def factor_rows(
    key: Key, answers: Judged, factors: Sequence[Slice], policy: OnFailure, notes: list[str]
) -> Iterator[Result]:
    """Yield what every factor does to accuracy and calibration, and which does worst.

    A slice a factor: accuracy_top1, accuracy_top5, factor_gap, error_ratio, ece_15 and the ECE that a calibrated model
    would show there (ece_15_null). The slice `not-<factor>`: accuracy_top1 of all other images. The whole set:
    worst_factor, `variant` naming the factor, and worst_100_classes.

    Parameters
    ----------
    notes
        Gets a line for what is left out.
    """
    key = replace(key, protocol=answers.protocol)
    rows, hits = _counting(answers, policy)
    place = np.full(len(answers.counted), -1, np.int64)
    place[rows] = np.arange(len(rows))
    kept = [part for part in factors if (place[part.rows] >= 0).any()]
    if not kept:
        return
    members = np.zeros((len(rows), len(kept)), bool)
    for column, part in enumerate(kept):
        at = place[part.rows]
        members[at[at >= 0], column] = True
        yield from slice_accuracies(key, answers, part, policy)
        yield from _calibration(key, answers, part)
        others = Slice(f"not-{part.name}", rows[~members[:, column]])
        yield from (row for row in slice_accuracies(key, answers, others, policy) if row.metric == "accuracy_top1")
    yield from _against_whole(key, answers, kept, hits, members, notes)
    yield from _worst_classes(key, answers, rows, hits)


def _counting(answers: Judged, policy: OnFailure) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows that an accuracy is over, and whether their answers are right."""
    counts = answers.counted & (answers.ok | (policy == "count-wrong"))
    rows = np.flatnonzero(counts).astype(np.int64)
    return rows, (answers.top1 & answers.ok)[rows]


def _against_whole(
    key: Key,
    answers: Judged,
    factors: Sequence[Slice],
    hits: NDArray[np.bool_],
    members: NDArray[np.bool_],
    notes: list[str],
) -> Iterator[Result]:
    accuracies, found = factor_accuracies(hits, members), factor_intervals(hits, members)
    sizes = members.sum(axis=0).tolist()
    lost = [_failed(answers, part.rows) for part in factors]
    for f, part in enumerate(factors):
        gap = float(accuracies[f] - hits.mean())
        yield key.row("factor_gap", gap, tuple(found.gap[f]), sizes[f], lost[f], slice=part.name)
    if found.error_ratio is None:
        notes.append(f"{key.model} on {key.dataset} ({key.protocol}) makes no error, so it has no error ratios.")
    else:
        for f, (part, ratio) in enumerate(zip(factors, error_ratios(hits, members), strict=True)):
            yield key.row("error_ratio", ratio, tuple(found.error_ratio[f]), sizes[f], lost[f], slice=part.name)
    worst = found.index
    more = {"variant": factors[worst].name}
    yield key.row("worst_factor", accuracies[worst], found.worst, sizes[worst], lost[worst], **more)


def _calibration(key: Key, answers: Judged, part: Slice) -> Iterator[Result]:
    if answers.confidence is None or answers.sure is None:
        return
    used = part.rows[(answers.counted & answers.ok)[part.rows]]
    if not len(used):
        return
    confidence, correct, lost = answers.confidence[used], answers.sure[used], _failed(answers, part.rows)
    value = expected_calibration_error(confidence, correct)
    yield key.row("ece_15", value, ece_interval(confidence, correct), len(used), lost, slice=part.name)
    mean, lo, hi = null_ece(confidence)
    yield key.row("ece_15_null", mean, (lo, hi), len(used), lost, slice=part.name)


def _worst_classes(key: Key, answers: Judged, rows: NDArray[np.int64], hits: NDArray[np.bool_]) -> Iterator[Result]:
    """Yield the accuracy of the 100 worst classes, where there are more than 100 to choose from."""
    if answers.labels is None:
        return
    labels = answers.labels[rows]
    if len(np.unique(labels)) > WORST_CLASSES:
        value = worst_class_accuracy(hits, labels, WORST_CLASSES)
        ends = worst_class_interval(hits, labels, WORST_CLASSES)
        every = np.arange(len(answers.counted))
        yield key.row(f"worst_{WORST_CLASSES}_classes", value, ends, len(rows), _failed(answers, every))


def _failed(answers: Judged, rows: NDArray[np.int64]) -> int:
    return int((answers.counted & ~answers.ok)[rows].sum())
