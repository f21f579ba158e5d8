from __future__ import annotations

from typing import Any

import pytest

from manifests.catalogue import load
from manifests.dataset import LAYOUTS
from manifests.schema import Dataset
from manifests.toml_file import parse_entry

CATALOGUE = load()
DATASETS = CATALOGUE.datasets

CONTRACT = [
    "imagenet-val",
    "imagenet-v2-matched-frequency",
    "imagenet-v2-threshold",
    "imagenet-v2-top-images",
    "imagenet-r",
    "imagenet-a",
    "imagenet-sketch",
    "objectnet",
    "imagenet-vid-robust",
    "stylized-imagenet",
    "stylized-mvh",
    "cue-conflict",
    "imagenet-x",
    "imagenet-x-library",
    "imagenet-x-multi",
    "imagenet-real",
    "inaturalist",
    "sun",
    "places",
    "textures",
    "textures-43",
    "imagenet-o",
    "ninco",
    "openimage-o",
    "flickr30k",
    "mscoco",
    "navi",
    "scannet",
    "spair-71k",
    "imagenet-3dcc",
    "imagenet-d",
    "imagenet-train-16shot",
    "imagenet-train-200k",
]

COUNTS = {
    "imagenet-val": 50_000,
    "imagenet-v2-threshold": 10_000,
    "imagenet-r": 30_000,
    "imagenet-a": 7_500,
    "imagenet-sketch": 50_889,
    "imagenet-vid-robust": 22_179,
    "stylized-mvh": 800,
    "cue-conflict": 1_280,
    "imagenet-x": 48_868,
    "imagenet-x-library": 46_110,
    "imagenet-x-multi": 48_868,
    "inaturalist": 10_000,
    "textures": 5_640,
    "textures-43": 5_160,
    "imagenet-o": 2_000,
    "ninco": 5_879,
    "openimage-o": 17_632,
    "flickr30k": 1_000,
    "mscoco": 5_000,
    "imagenet-d": 4_835,
    "imagenet-3dcc": 12 * 5 * 50_000,
}


def dataset(**changes: Any) -> list[tuple[str, str]]:
    data = {"id": "d", "title": "t", "paper": "p", "obtain": "o", "role": "generic"} | changes
    return [(problem.key, problem.message) for problem in parse_entry(data, Dataset, "d", "d.toml")[1]]


def test_every_dataset_of_the_contract_has_a_manifest_and_there_are_no_others() -> None:
    assert set(DATASETS) == set(CONTRACT)


@pytest.mark.parametrize("name", CONTRACT)
def test_each_says_where_it_comes_from_and_how_it_is_read(name: str) -> None:
    entry = DATASETS[name]
    assert entry.paper
    assert entry.obtain
    assert entry.view
    assert entry.layouts
    assert set(entry.layouts) <= set(LAYOUTS)
    assert entry.protocols or entry.id in {"flickr30k", "mscoco", "navi", "scannet", "spair-71k"}
    assert entry.count or entry.counts


def test_every_layout_serves_a_dataset() -> None:
    served = {layout for entry in DATASETS.values() for layout in entry.layouts}
    assert served == set(LAYOUTS)


def test_counts_are_the_published_ones() -> None:
    assert {name: DATASETS[name].count for name in COUNTS} == COUNTS
    splits = DATASETS["imagenet-d"].counts
    assert splits["background"] + splits["texture"] + splits["material"] == 4_835
    assert DATASETS["mscoco"].counts["captions"] == 25_010
    assert DATASETS["imagenet-vid-robust"].counts["anchors"] == 1_109


def test_out_of_distribution_sets_have_no_labels_to_score() -> None:
    outside = {name for name, entry in DATASETS.items() if entry.role == "ood"}
    assert outside == {"inaturalist", "sun", "places", "textures", "textures-43", "imagenet-o", "ninco", "openimage-o"}
    assert all(not DATASETS[name].label_space for name in outside)


def test_the_46_class_reading_of_ninco_leaves_18_classes_out() -> None:
    entry = DATASETS["ninco"]
    assert entry.counts["ood_classes"] - len(entry.readings["46-class"]) == 46
    assert len(set(entry.readings["46-class"])) == 18


def test_textures_43_leaves_out_the_four_classes_that_imagenet_has() -> None:
    assert DATASETS["textures-43"].leave_out == ("bubbly", "cobwebbed", "honeycombed", "spiralled")
    assert DATASETS["textures-43"].count == (47 - 4) * 120


def test_sets_with_pixels_of_their_own_say_so() -> None:
    steps = {name: dict(entry.pixel_step) for name, entry in DATASETS.items() if entry.pixel_step}
    assert steps == {
        "objectnet": {"op": "trim-border", "pixels": 2},
        "imagenet-3dcc": {"op": "ready-made", "size": 224},
        "cue-conflict": {"op": "ready-made", "size": 224},
        "stylized-mvh": {"op": "ready-made", "size": 224},
    }


def test_a_head_is_made_for_the_classes_before_any_is_left_out_or_merged() -> None:
    spaces = {name: space.id for name in DATASETS if (space := CATALOGUE.logit_space(name))}
    assert set(spaces.values()) == {"imagenet-1k"}
    assert {name for name, entry in DATASETS.items() if entry.label_space} == set(spaces)
    assert CATALOGUE.logit_space("a-folder-of-mine") is None


def test_a_count_is_compared_with_the_copies_that_circulate() -> None:
    sketch = DATASETS["imagenet-sketch"]
    assert sketch.count_note(50_889) == ""
    assert "as its README says" in sketch.count_note(50_000)
    assert sketch.count_note(49_999).endswith("also known are 50,000 (as its README says). Is the copy complete?")
    assert DATASETS["navi"].count_note(3) == ""


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"layouts": ["imagenet"]}, "layouts.0", "Input should be 'folder', 'listing'"),
        ({"pixel_step": {"op": "trim-border"}}, "pixel_step", "op = 'trim-border' with pixels"),
        ({"pixel_step": {"op": "blur", "pixels": 2}}, "pixel_step", "expected op = 'trim-border'"),
        ({"pixel_step": {"op": "ready-made", "size": "224"}}, "pixel_step", "whole pixels"),
        ({"readings": {"none": []}}, "readings.none", "at least one"),
        ({"geometry": "512"}, "geometry", "expected native or HEIGHTxWIDTH"),
        ({"options": {"lists": [], "prompts": "single"}}, "options.lists", "at least one"),
    ],
)
def test_what_does_not_fit_is_told(changes: dict[str, Any], key: str, said: str) -> None:
    ((found, message),) = dataset(**changes)
    assert found == key
    assert said in message
