"""Rows of selective prediction: whether confidence tells right answers from wrong ones.

Arrays and names in, rows out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .intervals import auroc_interval
from .judged import Judged
from .metrics.selective import aurc, misclassification_auroc, risk_at_coverage
from .results import Key
from .selective_intervals import selective_intervals
from .table import Result

COVERAGES = (0.8, 0.9)


def selective_rows(key: Key, answers: Judged, notes: list[str]) -> Iterator[Result]:
    """Yield misclassification_auroc, aurc and risk_at_coverage_0.8 and _0.9, where the protocol has confidences.

    Images without numbers have no confidence, so every policy leaves them out.

    Parameters
    ----------
    notes
        Gets a line for what is left out.
    """
    if answers.confidence is None or answers.sure is None:
        return
    key = replace(key, protocol=answers.protocol)
    used = answers.counted & answers.ok
    n, failed = int(used.sum()), int((answers.counted & ~answers.ok).sum())
    if n == 0:
        return
    confidence, correct = answers.confidence[used], answers.sure[used]
    if correct.all() or not correct.any():
        notes.append(
            f"{key.model} on {key.dataset} ({key.protocol}) has {'right' if correct.all() else 'wrong'} answers only, "
            "so there is no misclassification_auroc."
        )
    else:
        value = misclassification_auroc(confidence, correct)
        ends = auroc_interval(confidence[correct], confidence[~correct])
        yield key.row("misclassification_auroc", value, ends, n, failed)
    found = selective_intervals(confidence, correct, COVERAGES)
    yield key.row("aurc", aurc(confidence, correct), found.aurc, n, failed)
    for coverage, ends in zip(COVERAGES, found.risk, strict=True):
        value = risk_at_coverage(confidence, correct, coverage)
        yield key.row(f"risk_at_coverage_{coverage}", value, ends, n, failed)
