from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UsageError
from manifests.selection import is_glob, matching, no_match, select, split_patterns

IDS = {name: name.upper() for name in ("RN50", "ViT-B-16.x", "ViT-B-32.x", "resnet50.a1", "resnet50.tv")}


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["RN50"], ["RN50"]),
        (["resnet50.*,RN50", "resnet50.a1"], ["RN50", "resnet50.a1", "resnet50.tv"]),
        (["ViT-B-[13]?.x"], ["ViT-B-16.x", "ViT-B-32.x"]),
        ([" RN50 , ViT-B-16.x,"], ["RN50", "ViT-B-16.x"]),
        (["*"], sorted(IDS)),
        ([], []),
    ],
)
def test_select(patterns: list[str], chosen: list[str]) -> None:
    assert select(IDS, patterns, "models") == tuple(name.upper() for name in chosen)


def test_letter_case_counts() -> None:
    assert matching(IDS, "rn50") == ()
    with pytest.raises(UsageError, match="the nearest ids are RN50"):
        select(IDS, ["rn50"], "models")


def test_every_pattern_that_matches_nothing_is_named_with_three_ids_and_the_command() -> None:
    with pytest.raises(UsageError) as caught:
        select(IDS, ["resnet50.a3", "RN50", "dino*"], "models")
    first, second = str(caught.value).splitlines()
    assert first == (
        "no models match 'resnet50.a3'; the nearest ids are resnet50.a1, resnet50.tv, RN50; "
        "`assay-extract list models` shows all"
    )
    assert second.startswith("no models match 'dino*'; the nearest ids are ")
    assert second.count(",") == 2
    assert caught.value.exit_code == 2


def test_no_match_among_nothing() -> None:
    assert (
        no_match([], "x", "studies") == "no studies match 'x'; there are none; `assay-extract list studies` shows all"
    )


@pytest.mark.parametrize("option", ["", " ", ",", " , "])
def test_an_option_without_a_pattern_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="expected an id or a pattern"):
        split_patterns(["RN50", option])


def test_is_glob() -> None:
    assert [is_glob(text) for text in ("a*", "a?", "[ab]", "a.b-c_d")] == [True, True, True, False]


@given(st.lists(st.sampled_from(sorted(IDS)), min_size=1))
def test_order_and_repetition_of_patterns_do_not_matter(patterns: list[str]) -> None:
    expected = tuple(name.upper() for name in sorted(set(patterns)))
    assert select(IDS, patterns, "models") == expected
    assert select(IDS, [",".join(reversed(patterns))], "models") == expected
