"""Findings as the page shows them: a verdict, the sentence, a small interval, the numbers.

Knows words and places on a bar; how a finding was judged is not its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

VERDICTS: Final = ("supported", "contradicted", "undecided", "no data")
"""In the order in which they are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An interval on an axis that all findings of one unit share; places in per cent of its width."""

    zero: float
    lo: float
    width: float
    effect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A finding and what the results say of it.

    Attributes
    ----------
    id
        Address of the finding.
    verdict
        One of `VERDICTS`.
    sentence, where
        What it says, and where it stands in which paper.
    numbers
        Effect, interval and counts in words; they are the text of the bar.
    reason
        Why the verdict is this one.
    missing
        What would be needed for more, and how to get it.
    bar
        None where there is no interval.
    """

    id: str
    verdict: str
    sentence: str
    where: str
    numbers: tuple[str, ...]
    reason: str
    missing: str = ""
    bar: Bar | None = None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"expected one of {', '.join(VERDICTS)}; got {self.verdict!r}")


def bar(effect: float, lo: float, hi: float, reach: float) -> Bar:
    """Place an interval on an axis from -reach to reach; what lies outside is cut at its ends.

    Examples
    --------
    >>> bar(0.5, 0.25, 2.0, 1.0)
    Bar(zero=50.0, lo=62.5, width=37.5, effect=75.0)
    """
    if not reach > 0:
        raise ValueError(f"expected an axis of positive length; got {reach}")

    def place(value: float) -> float:
        return round(50 + 50 * max(-1.0, min(1.0, value / reach)), 2)

    return Bar(zero=50.0, lo=place(lo), width=round(place(hi) - place(lo), 2), effect=place(effect))


def answered(answers: Sequence[Answer]) -> tuple[list[Answer], list[Answer], list[Answer]]:
    """Return those with an answer or an interval, those that are undecided without one, and those without data.

    Examples
    --------
    >>> facts = {"sentence": "S", "where": "W", "numbers": (), "reason": "R"}
    >>> found = [Answer(id=verdict, verdict=verdict, **facts) for verdict in ("no data", "undecided", "supported")]
    >>> [[answer.id for answer in part] for part in answered(found)]
    [['supported'], ['undecided'], ['no data']]
    """
    parts: tuple[list[Answer], list[Answer], list[Answer]] = [], [], []
    for answer in answers:
        parts[2 if answer.verdict == "no data" else answer.verdict == "undecided" and answer.bar is None].append(answer)
    parts[0].sort(key=lambda answer: (answer.bar is None, answer.verdict == "undecided"))
    return parts


def counted(answers: Sequence[Answer]) -> list[tuple[str, int]]:
    """Count the verdicts, those that occur.

    Examples
    --------
    >>> one = Answer(id="a", verdict="undecided", sentence="S", where="W", numbers=(), reason="R")
    >>> counted([one, one])
    [('undecided', 2)]
    """
    found = [answer.verdict for answer in answers]
    return [(verdict, found.count(verdict)) for verdict in VERDICTS if verdict in found]
