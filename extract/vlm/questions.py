"""Questions out of a file that `assay-analyze questions` wrote, as units of work over a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cache.record_packs import cut
from cache.records import Question
from cache.views import View
from manifests.errors import UsageError

PACK_SIZE = 512
"""Questions of a unit: what a killed run has to ask again at most."""


def read_questions(path: Path) -> tuple[Question, ...]:
    """Return the questions of a file, in its order.

    Raises
    ------
    UsageError
        Naming the first line that is none.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--questions {path} cannot be read ({error})") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                raise ValueError("expected an object")
            question = Question.from_json(values)
        except ValueError as error:
            raise UsageError(f"{path} line {number}: {error}") from None
        if values.get("request") not in (None, question.id):
            raise UsageError(f"{path} line {number}: its question is another one than its id says")
        found.append(question)
    if not found:
        raise UsageError(f"{path} holds no question; `assay-analyze questions --out {path}` writes some")
    return tuple(found)


def packs_of(questions: tuple[Question, ...], view: View, size: int = PACK_SIZE) -> Mapping[str, tuple[Question, ...]]:
    """Return the packs of the questions.

    Raises
    ------
    UsageError
        When a question is about no image of the dataset.
    """
    images = set(view.table["image_id"].to_list())
    stray = [question for question in questions if question.image_id not in images]
    if stray:
        raise UsageError(
            f"{len(stray)} of {len(questions)} questions are about no image of {view.name} (image "
            f"{stray[0].image_id[:16]}, say); write them anew with `assay-analyze questions --dataset {view.name}`"
        )
    return cut(questions, size)
