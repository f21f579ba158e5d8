from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.terms import LONGEST_ID, check_id


@pytest.mark.parametrize("text", ["ViT-B-32.laion2b_s34b_b79k", "0", "a" * LONGEST_ID, "console", "com", "x.con"])
def test_ids_that_are_accepted(text: str) -> None:
    assert check_id(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begins with"),
        ("a/b", "letters, digits"),
        ("a:b", "letters, digits"),
        ("a b", "letters, digits"),
        ("a\n", "letters, digits"),
        ("é", "letters, digits"),
        ("-model", "begins with"),
        (".hidden", "begins with"),
        ("end.", "Windows"),
        ("CON", "Windows"),
        ("nul.pypi", "Windows"),
        ("Com1", "Windows"),
        ("a" * (LONGEST_ID + 1), "at most 100 characters; got 101"),
    ],
)
def test_ids_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        check_id(text)


@given(st.text(max_size=8))
def test_whatever_is_accepted_is_one_path_component_of_plain_ascii(text: str) -> None:
    try:
        check_id(text)
    except ValueError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._-]+", text)
    assert text not in (".", "..")
