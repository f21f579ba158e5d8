from __future__ import annotations

import hashlib

from manifests.catalogue import load

PROMPTS = load().prompts


def test_the_sets_of_the_first_version() -> None:
    assert {name: len(prompts.templates) for name, prompts in PROMPTS.items()} == {
        "mcm-5": 5,
        "openai-30": 30,
        "openai-7": 7,
        "openai-80": 80,
        "single": 1,
        "single-period": 1,
    }
    assert not any(prompts.per_class for prompts in PROMPTS.values())


def test_the_80_are_those_of_openai() -> None:
    golden = "4f976686fb651bb5803d4689dcd849f75efe0ef19a3c801355bc9a6f03c8a5af"
    assert hashlib.sha256("\n".join(PROMPTS["openai-80"].templates).encode("utf-8")).hexdigest() == golden


def test_the_30_are_evenly_spaced_among_the_80() -> None:
    eighty = PROMPTS["openai-80"].templates
    assert PROMPTS["openai-30"].templates == tuple(eighty[80 * i // 30] for i in range(30))


def test_the_small_sets() -> None:
    eighty = set(PROMPTS["openai-80"].templates)
    assert PROMPTS["single"].templates == ("a photo of a {}",)
    assert PROMPTS["single-period"].templates == ("a photo of a {}.",)
    assert PROMPTS["single"].templates[0] not in eighty
    assert PROMPTS["openai-7"].templates == (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    )
    assert PROMPTS["mcm-5"].templates == (
        "a photo of a {}.",
        "a blurry photo of a {}.",
        "a photo of many {}.",
        "a photo of the large {}.",
        "a photo of the small {}.",
    )
    for name in ("openai-7", "mcm-5", "single-period"):
        assert set(PROMPTS[name].templates) <= eighty
