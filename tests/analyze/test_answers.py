"""The answer parser on answers as models give them."""

from __future__ import annotations

import pytest

from analyze.metrics.answers import parse_answer

OPTIONS = ["pen", "can opener", "wine bottle", "bottle cap"]
SYNONYMS = {"pen": ["ballpoint", "fountain pen"], "can opener": ["tin opener"], "wine bottle": ["bottle of wine"]}

ANSWERS: list[tuple[str, int | None, str]] = [
    # One letter.
    ("A", 0, "letter"),
    ("B", 1, "letter"),
    ("d", 3, "letter"),
    (" C \n", 2, "letter"),
    ("C.", 2, "letter"),
    ("(B)", 1, "letter"),
    ("[D]", 3, "letter"),
    ('"A"', 0, "letter"),
    ("**C**", 2, "letter"),
    ("B:", 1, "letter"),
    ("b)", 1, "letter"),
    # A letter set off by punctuation, whatever follows.
    ("A. pen", 0, "prefix"),
    ("B) can opener", 1, "prefix"),
    ("(C) wine bottle", 2, "prefix"),
    ("D: bottle cap", 3, "prefix"),
    ("B.can opener", 1, "prefix"),
    ("C. The main object is a pen.", 2, "prefix"),
    ("B. can opener (not a pen)", 1, "prefix"),
    ("a) pen", 0, "prefix"),
    ("[A] pen", 0, "prefix"),
    ("**D.** bottle cap", 3, "prefix"),
    ("C.\nwine bottle", 2, "prefix"),
    ("A. B. C. D.", 0, "prefix"),
    # The answer is ...
    ("The answer is B.", 1, "answer-is"),
    ("the correct answer is (C)", 2, "answer-is"),
    ("Answer: D", 3, "answer-is"),
    ("I think the answer is A, because of its tip.", 0, "answer-is"),
    ("The correct option is C.", 2, "answer-is"),
    ("My choice is option B", 1, "answer-is"),
    ('The answer is "D".', 3, "answer-is"),
    ("After looking closely, my answer: A", 0, "answer-is"),
    # Names.
    ("pen", 0, "name"),
    ("Pen.", 0, "name"),
    ("A pen", 0, "name"),
    ("a can opener", 1, "name"),
    ("The main object in the image is a wine bottle.", 2, "name"),
    ("bottle cap", 3, "name"),
    ("It is a bottle-cap.", 3, "name"),
    ("WINE BOTTLE", 2, "name"),
    ("two wine bottles on a table", 2, "name"),
    ("can_opener", 1, "name"),
    ("The object is a pen; it is a pen for sure.", 0, "name"),
    ("The answer is a pen.", 0, "name"),
    ("The answer is A pen.", 0, "name"),
    ("Certainly! The image shows several pens.", 0, "name"),
    ("The answer is wine bottle", 2, "name"),
    # Synonyms.
    ("It is a tin opener.", 1, "name"),
    ("a bottle of wine", 2, "name"),
    ("A fountain pen lies on the desk.", 0, "name"),
    ("ballpoint", 0, "name"),
    # Nothing that can be told.
    ("", None, "unparsed"),
    ("   ", None, "unparsed"),
    ("I cannot tell.", None, "unparsed"),
    ("I'm sorry, but I can't help with that.", None, "unparsed"),
    ("None of the above", None, "unparsed"),
    ("E", None, "unparsed"),
    ("E. banana", None, "unparsed"),
    ("It is a bottle.", None, "unparsed"),
    ("a cap", None, "unparsed"),
    ("opener", None, "unparsed"),
    ("pencil", None, "unparsed"),
    ("open", None, "unparsed"),
    ("It could be a pen or a bottle cap.", None, "unparsed"),
    ("pen, can opener, wine bottle, bottle cap", None, "unparsed"),
    ('Choose from "pen", "can opener", "wine bottle" or "bottle cap".', None, "unparsed"),
    ("Not a pen but a can opener.", None, "unparsed"),
    ("The answer is A or the answer is B.", None, "unparsed"),
    ("An image of something", None, "unparsed"),
    ("42", None, "unparsed"),
    ("Yes", None, "unparsed"),
]


def test_there_are_many() -> None:
    assert len(ANSWERS) >= 60
    assert len({answer for answer, _, _ in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize(("answer", "choice", "how"), ANSWERS, ids=[repr(answer)[:40] for answer, _, _ in ANSWERS])
def test_an_answer_is_read(answer: str, choice: int | None, how: str) -> None:
    assert parse_answer(answer, OPTIONS, SYNONYMS) == (choice, how)


def test_letters_end_with_the_options() -> None:
    assert parse_answer("C", ["cat", "dog"]) == (None, "unparsed")


def test_names_are_compared_without_joiners() -> None:
    assert parse_answer("a t-shirt", ["T_shirt", "coffee/french press"]) == (0, "name")
    assert parse_answer("coffee or tea", ["coffee/french press", "tea"]) == (1, "name")


@pytest.mark.parametrize("options", [["one"], ["a", "b", "c", "d", "e"], ["cat", "Cat"]])
def test_bad_options_are_named(options: list[str]) -> None:
    with pytest.raises(ValueError, match="expected 2 to 4 different names"):
        parse_answer("A", options)


def test_what_stands_in_brackets_may_be_left_out() -> None:
    options = ["binder (closed)", "weight scale", "weight (exercise)", "pen"]
    assert parse_answer("It is a binder (closed).", options) == (0, "name")
    assert parse_answer("A blue binder.", options) == (0, "name")
    assert parse_answer("This is a weight scale", options) == (1, "name")
    assert parse_answer("two weights", options) == (2, "name")
