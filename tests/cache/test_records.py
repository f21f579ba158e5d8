"""Questions name themselves, packs of them do not depend on what else is asked, and tables say what went in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.commits import RowFailure, Unit, write_commit
from cache.errors import IntegrityError
from cache.reader import Reader
from cache.record_packs import cut, write_record_packs
from cache.records import COLUMNS, Answer, Question, ask, read_records, records_table
from cache.requests import Request, write_request
from cache.runs import new_run_id, write_start
from cache.segments import table_segment
from cache.spaces import Space, write_space
from cache.store import Store

NAMES = ("pen", "can opener", "wine bottle", "bottle cap")
SPACE = Space({"library": "made", "architecture": {"name": "vlm"}}, {})


def question(image: int, rotation: int = 0, selector: str = "net") -> Question:
    return Question(f"{image:064x}", selector, rotation, NAMES, ask(NAMES))


def test_every_field_is_part_of_the_id() -> None:
    one = question(1)
    others = [
        replace(one, image_id="0"),
        replace(one, list="other"),
        replace(one, rotation=1),
        replace(one, options=NAMES[::-1]),
        replace(one, prompt="What?"),
    ]
    assert len({one.id, *(other.id for other in others)}) == 6
    assert Question.from_json(one.to_json()) == one


def test_the_journal_s_words() -> None:
    assert ask(NAMES).splitlines() == [
        "What is the main object in this image? Choose from the following list:",
        "A.pen",
        "B.can opener",
        "C.wine bottle",
        "D.bottle cap",
        "Please answer the question using the choice from the list.",
    ]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("image_id", "", "expected text"),
        ("options", ["a", "a"], "different names"),
        ("options", "ab", "a list of names"),
        ("options", ["a"], "2 to 4"),
        ("rotation", 4, "place of the right option"),
        ("rotation", True, "place of the right option"),
    ],
)
def test_what_is_no_question(field: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Question.from_json({**question(1).to_json(), field: value})


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from("ab")), max_size=40), st.integers(1, 7))
def test_packs_hold_every_question_once_and_of_one_list_and_order(asked: list[tuple[int, int, str]], size: int) -> None:
    questions = [question(*one) for one in asked]
    packs = cut(questions, size)
    held = [one for pack in packs.values() for one in pack]
    assert sorted(one.id for one in held) == sorted({one.id for one in questions})
    assert all(len(pack) <= size and len({(one.list, one.rotation) for one in pack}) == 1 for pack in packs.values())
    # Asking with another list, too, leaves the packs of the first as they are.
    more = cut([*(question(n, 0, "c") for n in range(5)), *questions], size)
    assert set(packs) <= set(more)


def stored(path: Path, table: pl.DataFrame, failures: list[RowFailure]) -> tuple[Reader, Unit]:
    store, _ = Store.create(path)
    ((pack, questions),) = cut([question(n) for n in range(3)]).items()
    run = new_run_id(store.disk)
    with store.stage() as staged:
        write_space(staged, SPACE)
        write_record_packs(staged, {pack: questions})
        request = Request(
            "run", "m", {}, "d", "0" * 64, ("records",), SPACE.id, SPACE.label, (), extra={"records": (pack,)}
        )
        write_request(staged, request)
        write_start(staged, run, [request.digest], {})
        unit = Unit("records", SPACE.id, SPACE.label, pack)
        write_commit(staged, unit, [table_segment("records", SPACE.id, pack, table)], failures, run)
    assert request.packs_of("records") == (pack,)
    return Reader(Store.create(path)[0]), unit


def made() -> tuple[pl.DataFrame, list[RowFailure]]:
    failures = [RowFailure(2, question(2).id, "decode_error", "no image")]
    answers = [Answer("A", (1.0, 0.0, 0.0, 0.0), "stop"), Answer("pen"), None]
    return records_table([question(n) for n in range(3)], answers, failures), failures


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    table, failures = made()
    records, lost = read_records(*stored(tmp_path / "s", table, failures))
    assert [record.answer for record in records] == [Answer("A", (1.0, 0.0, 0.0, 0.0), "stop"), Answer("pen"), None]
    assert [record.question for record in records] == [question(n) for n in range(3)]
    assert lost == {2: failures[0]}


@pytest.mark.parametrize(
    "change",
    [
        pl.lit("B.").alias("prompt"),
        pl.lit("x").alias("answer"),
        pl.lit("ok").alias("status"),
        pl.lit(9, pl.Int32).alias("rotation"),
        pl.lit([1.0]).cast(COLUMNS["letter_logits"]).alias("letter_logits"),
        pl.col("item_id").reverse(),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, change: pl.Expr) -> None:
    table, failures = made()
    with pytest.raises(IntegrityError):
        read_records(*stored(tmp_path / "s", table.with_columns(change), failures))
