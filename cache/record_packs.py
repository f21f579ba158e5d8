"""Questions cut into packs: the units in which a language model answers, and in which answers are kept.

Questions in, packs of their ids out; knows no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from .key import pack_id
from .packs import PACK_SIZE, write_pack
from .records import Question
from .writing import Stage


def cut(questions: Sequence[Question], pack_size: int = PACK_SIZE) -> dict[str, tuple[Question, ...]]:
    """Return the packs of questions, in their order; one that is asked twice is asked once.

    Packs never span two lists or two orders of options, so that asking with another list repeats nothing.
    """
    groups: dict[tuple[str, int], dict[str, Question]] = {}
    for question in questions:
        groups.setdefault((question.list, question.rotation), {}).setdefault(question.id, question)
    packs: dict[str, tuple[Question, ...]] = {}
    for group in groups.values():
        ids = list(group)
        for start in range(0, len(ids), pack_size):
            part = ids[start : start + pack_size]
            packs[pack_id(part)] = tuple(group[one] for one in part)
    return packs


def write_record_packs(staged: Stage, packs: Mapping[str, Sequence[Question]]) -> None:
    """Store packs of questions, before the request that names them."""
    for questions in packs.values():
        n = len(questions)
        columns = {
            "item_id": [question.id for question in questions],
            "nbytes": [len(question.prompt.encode()) for question in questions],
            "width": [0] * n,
            "height": [0] * n,
            "format": ["question"] * n,
        }
        write_pack(staged, "question", pl.DataFrame(columns))
