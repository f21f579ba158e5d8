"""The kind `records`: questions with options about images, and what a language model with eyes answered.

A question names itself by everything that it asks, so that an answer cannot be taken for that of another one. Records
are a Parquet table a pack of questions. Knows no model; reads no answer for its meaning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from manifests.canonical import digest

from .commits import RowFailure, Unit
from .documents import damaged
from .reader import Reader

LETTERS = "ABCD"
"""What options are called."""

PROMPT_LEAD = "What is the main object in this image? Choose from the following list:"
PROMPT_TAIL = "Please answer the question using the choice from the list."

COLUMNS = {
    "item_id": pl.String(),
    "status": pl.String(),
    "image_id": pl.String(),
    "list": pl.String(),
    "rotation": pl.Int32(),
    "options": pl.List(pl.String()),
    "prompt": pl.String(),
    "answer": pl.String(),
    "letter_logits": pl.List(pl.Float64()),
    "finish_reason": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one image.

    list
        The model that selected the options.
    rotation
        Place of the right option, 0 = A.
    options
        Names in the order shown.
    prompt
        All that the model reads besides the image.
    """

    image_id: str
    list: str
    rotation: int
    options: tuple[str, ...]
    prompt: str

    @property
    def id(self) -> str:
        """The request id."""
        return digest("question", self.to_json())

    @property
    def truth(self) -> str:
        """The right option."""
        return self.options[self.rotation]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "image_id": self.image_id,
            "list": self.list,
            "rotation": self.rotation,
            "options": list(self.options),
            "prompt": self.prompt,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Question:
        """Read the JSON form.

        Raises
        ------
        ValueError
            Naming the field that is missing or of another type.
        """
        options = value.get("options")
        rotation = value.get("rotation")
        words = [value.get(name) for name in ("image_id", "list", "prompt")]
        if not all(isinstance(word, str) and word for word in words):
            raise ValueError("image_id, list and prompt: expected text")
        if not isinstance(options, (list, tuple)) or not all(isinstance(one, str) and one for one in options):
            raise ValueError(f"options: expected a list of names, got {options!r}")
        if not 2 <= len(options) <= len(LETTERS) or len(set(options)) != len(options):
            raise ValueError(f"options: expected 2 to {len(LETTERS)} different names, got {list(options)}")
        if not isinstance(rotation, int) or isinstance(rotation, bool) or not 0 <= rotation < len(options):
            raise ValueError(f"rotation: expected the place of the right option, 0 to {len(options) - 1}")
        return cls(str(words[0]), str(words[1]), rotation, tuple(options), str(words[2]))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of a question.

    letter_logits
        Logits of the letters of the options at the first step, None where they are not known.
    finish_reason
        Why the text ends: `stop`, `length`, or what the program that asked says.
    """

    text: str
    letter_logits: tuple[float, ...] | None = None
    finish_reason: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any], options: int) -> Answer:
        """Read the JSON form.

        Raises
        ------
        ValueError
            Naming the field that is missing or of another type.
        """
        text, logits, why = value.get("answer"), value.get("letter_logits"), value.get("finish_reason")
        if not isinstance(text, str):
            raise ValueError(f"answer: expected text, got {text!r}")
        if why is not None and not isinstance(why, str):
            raise ValueError(f"finish_reason: expected text, got {why!r}")
        if logits is None:
            return cls(text, None, why or "")
        numbers = isinstance(logits, (list, tuple)) and all(
            isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one) for one in logits
        )
        if not numbers or len(logits) != options:
            raise ValueError(f"letter_logits: expected {options} finite numbers, one a letter, got {logits!r}")
        return cls(text, tuple(float(one) for one in logits), why or "")


def ask(options: Sequence[str]) -> str:
    """Return the journal's question about options, in the order given (section IX).

    Examples
    --------
    >>> print(ask(["pen", "ruler"]))
    What is the main object in this image? Choose from the following list:
    A.pen
    B.ruler
    Please answer the question using the choice from the list.
    """
    lines = (f"{letter}.{option}" for letter, option in zip(LETTERS, options, strict=False))
    return "\n".join((PROMPT_LEAD, *lines, PROMPT_TAIL))


def question_line(question: Question, sample: str) -> str:
    """Return the line of a file of questions: all of a question, its id, and what the image is called."""
    return json.dumps({"request": question.id, "sample": sample, **question.to_json()}, ensure_ascii=False)


def records_table(
    questions: Sequence[Question], answers: Sequence[Answer | None], failures: Iterable[RowFailure]
) -> pl.DataFrame:
    """Return the records of a whole pack as the table that is stored.

    Parameters
    ----------
    answers
        One a question, None where there is none and `failures` says why.

    Examples
    --------
    >>> one = Question("i", "net", 1, ("pen", "ruler"), ask(["pen", "ruler"]))
    >>> records_table([one], [Answer("B", (0.0, 1.0), "stop")], []).row(0, named=True)["letter_logits"]
    [0.0, 1.0]
    """
    status = ["ok"] * len(questions)
    for failure in failures:
        status[failure.row] = failure.status
    rows = [
        {
            "item_id": question.id,
            "status": status[row],
            **question.to_json(),
            "answer": None if answer is None else answer.text,
            "letter_logits": None if answer is None or answer.letter_logits is None else list(answer.letter_logits),
            "finish_reason": None if answer is None else answer.finish_reason,
        }
        for row, (question, answer) in enumerate(zip(questions, answers, strict=True))
    ]
    return pl.DataFrame(rows, schema=COLUMNS)


@dataclass(frozen=True, slots=True)
class Record:
    """A question with its answer; None where there is none."""

    question: Question
    answer: Answer | None


def read_records(reader: Reader, unit: Unit) -> tuple[list[Record], Mapping[int, RowFailure]]:
    """Return the records of a pack, and why rows of it have no answer.

    Raises
    ------
    IntegrityError
        When the table is damaged, of other questions, or says other than its record.
    IncompleteError
        When it is not here.
    """
    table = reader.table(unit)
    commit = reader.commit(unit)
    where = reader.store.layout.relative(reader.store.layout.record(unit.kind, unit.label, unit.pack))
    if dict(table.schema) != COLUMNS or table["item_id"].to_list() != list(reader.pack(unit.pack).items):
        raise damaged(where, "its table has other columns or other questions than its pack")
    failures = {} if commit is None else {failure.row: failure for failure in commit.failures}
    found = []
    for row, values in enumerate(table.iter_rows(named=True)):
        if (values["status"] != "ok") != (row in failures) or (values["answer"] is None) != (row in failures):
            raise damaged(where, f"row {row} has no answer in one place and one in another")
        try:
            question = Question.from_json(values)
            answer = None if row in failures else Answer.from_json(values, len(question.options))
        except ValueError as error:
            raise damaged(where, f"row {row}: {error}") from None
        if question.id != values["item_id"]:
            raise damaged(where, f"row {row} is another question than its id says")
        found.append(Record(question, answer))
    return found, failures
