from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import pytest

from manifests.catalogue import BUILT_IN, load

LABELS = load().labels
SPACE = LABELS["imagenet-1k"]


def test_the_1000_classes_are_in_the_order_of_sorted_wordnet_ids() -> None:
    assert len(SPACE.keys) == len(SPACE.names) == 1000
    assert list(SPACE.keys) == sorted(SPACE.keys)
    assert (SPACE.keys[0], SPACE.names[0]) == ("n01440764", "tench")
    assert (SPACE.keys[999], SPACE.names[999]) == ("n15075141", "toilet paper")
    assert SPACE.index_of("n15075141") == 999


def test_the_names_are_those_of_openai() -> None:
    golden = "571ae1c583b4be7da87519494c52bf405a46af05d5815627c7a0dee997068b60"
    assert hashlib.sha256("\n".join(SPACE.names).encode("utf-8")).hexdigest() == golden


def test_the_two_pairs_of_classes_with_one_name() -> None:
    repeated = {name: [i for i, other in enumerate(SPACE.names) if other == name] for name in set(SPACE.names)}
    assert {name: columns for name, columns in repeated.items() if len(columns) > 1} == {
        "missile": [657, 744],
        "sunglasses": [836, 837],
    }


def test_wordnet_ids_and_columns_agree_with_labelled_photographs(shared: Path) -> None:
    with (shared / "images" / "labels.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) >= 100
    assert all(SPACE.index_of(row["wnid"]) == int(row["class_index"]) for row in rows)


SUBSETS = ("imagenet-r-200", "imagenet-a-200", "imagenet-o-200")


def columns(name: str) -> list[int]:
    return [column for group in LABELS[name].members for column in group]


@pytest.mark.parametrize(
    ("name", "classes", "columns_in_all", "total"),
    [
        ("imagenet-r-200", 200, 200, 86135),
        ("imagenet-a-200", 200, 200, 102178),
        ("imagenet-o-200", 200, 200, 134542),
        ("objectnet-113", 113, 125, 85300),
        ("imagenet-d-113", 113, 125, 85300),
        ("vid-robust-30", 30, 288, None),
        ("cue-16", 16, 207, None),
    ],
)
def test_spaces_over_imagenet_have_the_published_sizes_and_sums(
    name: str, classes: int, columns_in_all: int, total: int | None
) -> None:
    space = LABELS[name]
    assert space.over == "imagenet-1k"
    assert len(space.keys) == len(space.names) == len(space.members) == classes
    assert len(set(columns(name))) == len(columns(name)) == columns_in_all
    if total is not None:
        assert sum(columns(name)) == total


def test_the_three_sets_of_200_classes_are_three_sets() -> None:
    r, a, o = (set(columns(name)) for name in SUBSETS)
    assert (len(a & r), len(o & a), len(o & r)) == (86, 59, 36)


@pytest.mark.parametrize("name", SUBSETS)
def test_subsets_carry_the_keys_and_names_of_their_columns_in_ascending_order(name: str) -> None:
    space = LABELS[name]
    assert columns(name) == sorted(columns(name))
    assert space.keys == tuple(SPACE.keys[column] for column in columns(name))
    assert space.names == tuple(SPACE.names[column] for column in columns(name))


def test_groups_of_several_columns_are_those_of_objectnet() -> None:
    space = LABELS["objectnet-113"]
    several = {name: group for name, group in zip(space.names, space.members, strict=True) if len(group) > 1}
    assert several == {
        "alarm clock": (409, 530),
        "bicycle": (444, 671),
        "chair": (423, 559, 765),
        "helmet": (518, 560),
        "pen": (418, 563, 749),
        "skirt": (601, 655, 689),
        "still camera": (732, 759),
        "tie": (457, 906),
        "wheel": (479, 694),
    }
    assert space.keys[space.names.index("butcher's knife")] == "butchers_knife"
    assert sorted(LABELS["imagenet-d-113"].members) == sorted(space.members)


def test_video_and_cue_classes_have_the_published_columns() -> None:
    video, cue = LABELS["vid-robust-30"], LABELS["cue-16"]
    assert video.keys[:3] == ("airplane", "antelope", "bear")
    assert (video.keys[29], video.members[29]) == ("zebra", (340,))
    assert video.members[video.index_of("watercraft")][-2:] == (913, 914)
    assert list(cue.keys) == sorted(cue.keys)
    sizes = {key: len(group) for key, group in zip(cue.keys, cue.members, strict=True)}
    assert (sizes["bird"], sizes["dog"], sizes["knife"]) == (49, 109, 1)
    assert set(cue.members[cue.index_of("bicycle")]) == set(video.members[video.index_of("bicycle")])


def test_classes_named_in_both_are_of_the_kind_that_the_name_says() -> None:
    """Names of ImageNet's own columns, for classes where any mistake of one column would show."""
    names = {key: {SPACE.names[column] for column in group} for key, group in zip(*keyed("cue-16"), strict=True)}
    assert names["elephant"] == {"Asian elephant", "African bush elephant"}
    assert names["chair"] == {"barber chair", "folding chair", "rocking chair", "throne"}
    assert names["oven"] == {"rotisserie"}
    assert names["truck"] >= {"fire truck", "garbage truck", "pickup truck", "tow truck"}


def keyed(name: str) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    return LABELS[name].keys, LABELS[name].members


def test_tables_of_provenance_give_the_sums() -> None:
    text = (BUILT_IN / "labels" / "PROVENANCE.md").read_text(encoding="utf-8")
    for name in (*SUBSETS, "objectnet-113", "imagenet-d-113"):
        assert f"| {name} | {len(LABELS[name].keys)} | {len(columns(name))} | {sum(columns(name)):,} |" in text


def test_lists_are_those_of_the_protocol_file(shared: Path) -> None:
    text = (shared / "protocols" / "classification.md").read_text(encoding="utf-8")
    patterns = (r"indices \(200\): ([\d,]+)", r"\* A indices: ([\d,]+)", r"O ID-class indices: ([\d,]+)")
    for name, pattern in zip(SUBSETS, patterns, strict=True):
        found = re.search(pattern, text)
        assert found is not None
        assert columns(name) == [int(number) for number in found[1].split(",")]
