from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache import layout
from cache.layout import Layout, is_name, slug

HEX16, HEX64 = "0123456789abcdef", "0123456789abcdef" * 4


@given(st.text())
def test_slugs_are_legal_whatever_they_come_from(text: str) -> None:
    assert layout.parse_space(f"{slug(text)}-{HEX16}") == (slug(text), HEX16)


@pytest.mark.parametrize(
    "name", ["con", "COM1", "aux.x", "a/b", "a b", "", "-a", ".a", "a" * 81, "a?", "ä", "a\n", "x."]
)
def test_names_that_some_system_refuses(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", ["imagenet-val", "ViT-B-32.laion2b_s34b_b79k", "a", "0", "a" * 80, "console"])
def test_names_that_every_system_takes(name: str) -> None:
    assert is_name(name)


def test_paths_and_names_are_inverse() -> None:
    store = Layout(Path("s"))
    assert layout.parse_version(store.version("a.b", HEX64).name) == ("a.b", HEX16)
    assert layout.parse_marker(store.marker("a", HEX64, HEX16).name) == ("a", HEX16, HEX16)
    assert layout.parse_request(store.request(HEX64).name) == (HEX64, False)
    assert layout.parse_request(store.retired(HEX64).name) == (HEX64, True)
    assert layout.parse_record(store.record("logits", f"x-{HEX16}", HEX64).name) == HEX64
    assert store.relative(store.segment("text", f"x-{HEX16}", HEX64)) == f"data/text/x-{HEX16}/{HEX64}"


@pytest.mark.parametrize("name", [f"{HEX64}.json.tmp", f".{HEX64}.json.x7Qa", f"{HEX64.upper()}.json", "x.json", HEX64])
def test_strangers_have_no_meaning(name: str) -> None:
    assert layout.parse_request(name) is None
    assert layout.parse_record(name) is None
    assert layout.parse_version(name) is None
    assert layout.parse_marker(name) is None
    assert not layout.is_run(name)
