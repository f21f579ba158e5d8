"""The name of a space in paths: a slug of what it is, its variant never cut off."""

from __future__ import annotations

from cache.layout import parse_space
from cache.spaces import Space


def label(name: str, variant: str = "") -> str:
    identity = {"library": "open_clip", "architecture": {"name": name}, **({"variant": variant} if variant else {})}
    return Space(identity, {}).label


def test_a_native_space_is_called_what_it_was() -> None:
    assert label("ViT-B-32").startswith("open-clip-vit-b-32-")
    assert len(label("ViT-B-32")) == len("open-clip-vit-b-32-") + 16


def test_a_variant_is_in_the_name_however_long_the_model_is_called() -> None:
    assert label("ViT-B-32", "480x640").startswith("open-clip-vit-b-32-480x640-")
    long = label("ViT-L-14-336-quickgelu-of-some-kind", "800x800-four-probe3d")
    assert long.startswith("open-clip-vit-l-14-")
    assert long[:-17].endswith("-800x800-four-probe3d")
    assert len(long) <= 40 + 17
    assert parse_space(long) is not None
