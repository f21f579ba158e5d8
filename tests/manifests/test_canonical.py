from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.canonical import canonical_json, digest

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(item) for key, item in reversed(value.items())}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(values)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert canonical_json(reversed_keys(value)) == canonical_json(value)


@given(values)
def test_the_value_comes_back(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        ({"b": [1, 2.0, True], "a": {"é": None}}, '{"a":{"é":null},"b":[1,2.0,true]}'),
        ((), "[]"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        ('"\n', '"\\"\\n"'),
    ],
)
def test_spelling(value: Any, spelling: str) -> None:
    assert canonical_json(value) == spelling.encode("utf-8")


# A change of these means that every name in every store changes.
@pytest.mark.parametrize(
    ("kind", "value", "spelling", "golden"),
    [
        (
            "space",
            {"library": "timm"},
            b'["space",{"library":"timm"}]',
            "ffbe0514bf3a4a8ceba1933822abd175ff5ac70429b78aa55f5db130ef2f52f8",
        ),
        (
            "request",
            {"b": [0.5, None], "a": "é"},
            '["request",{"a":"é","b":[0.5,null]}]'.encode(),
            "085e45af452abcd835d4b2e89bc1b4776093064ccc59405241f336cb1070bb17",
        ),
    ],
)
def test_golden_digests(kind: str, value: Any, spelling: bytes, golden: str) -> None:
    assert digest(kind, value) == hashlib.sha256(spelling).hexdigest() == golden


def test_the_kind_is_part_of_the_name() -> None:
    assert digest("space", {}) != digest("request", {})


@pytest.mark.parametrize("value", [{1: "a"}, {"a": [{True: 0}]}, ({None: 1},)])
def test_a_key_that_is_not_a_string_is_refused_wherever_it_stands(value: Any) -> None:
    with pytest.raises(TypeError, match="keys are strings"):
        canonical_json(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {"b": float("-inf")}}])
def test_numbers_that_json_does_not_have_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(value)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_values_that_json_does_not_have_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        canonical_json(value)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        canonical_json("\ud800")
