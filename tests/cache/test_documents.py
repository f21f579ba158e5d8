from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.documents import document_digest, seal, unseal
from cache.errors import FormatVersionError, IntegrityError

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
BODIES = st.dictionaries(st.text().filter(lambda key: key not in ("format", "sort", "digest")), JSON, max_size=4)


@given(BODIES)
def test_what_is_sealed_comes_back(body: dict[str, object]) -> None:
    assert unseal(seal("run", body), "run", "x") == body
    assert json.loads(seal("run", body))["digest"] == document_digest("run", body)


@given(BODIES, st.data())
def test_a_flipped_bit_is_an_error_or_changes_nothing(body: dict[str, object], data: st.DataObject) -> None:
    sealed = bytearray(seal("run", body))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(IntegrityError, FormatVersionError):
        assert unseal(bytes(sealed), "run", "x") == body


def test_the_layout_of_the_file_is_free() -> None:
    body = json.loads(seal("run", {"b": 1, "a": [2.5, "ü"]}))
    assert unseal(json.dumps(body, sort_keys=True).encode(), "run", "x") == {"b": 1, "a": [2.5, "ü"]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'{"format": 1}',
        b'{"format": 1, "sort": "run", "digest": "0"}',
        b'{"format": 1, "sort": "run", "x": NaN, "digest": "0"}',
        b'{"format": true, "sort": "run", "digest": "0"}',
        b'{"format": 1.0, "sort": "run", "digest": "0"}',
        b"[" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        seal("request", {"a": 1}),
        seal("run", {"a": 1})[:-9],
    ],
    ids=range(13),
)
def test_what_is_no_document_is_an_integrity_error(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"runs/x\.json.*assay-cache check"):
        unseal(data, "run", "runs/x.json")


@pytest.mark.parametrize("version", [0, 2, 99, -1])
def test_another_version_is_no_damage(version: int) -> None:
    body = {**json.loads(seal("run", {})), "format": version}
    with pytest.raises(FormatVersionError, match=f"version {version}; this clip-assay reads version 1") as caught:
        unseal(json.dumps(body).encode(), "run", "x")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("key", ["format", "sort", "digest"])
def test_reserved_keys(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        seal("run", {key: 1})


def test_numbers_without_a_json_form() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        seal("run", {"x": float("nan")})
