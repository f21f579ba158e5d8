"""The evaluation sets of the miniature: the ordinary `index` reads them, labels are right, no byte ever changes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cache.store import Store
from extract.layouts.registry import LAYOUTS
from extract.miniature.draw import draw
from extract.miniature.generate import SETS, digest, generate, generator, main
from extract.miniature.sampling import FACTORS, IN
from extract.miniature.scene import Scene
from extract.miniature.sets import (
    class_folders,
    contexts,
    corrupted,
    cues,
    factors,
    filtered,
    objects,
    things,
    unfamiliar,
    video,
)
from extract.miniature.sets.depth_corruptions import CORRUPTIONS
from extract.miniature.world import CLASSES, HELD_OUT_SHAPES
from manifests.catalogue import load
from tests import miniature_study
from tests.extract.command_line import REPOSITORY, extract

MANIFESTS = REPOSITORY / "manifests" / "miniature"
CATALOGUE = load([MANIFESTS])
KEYS = tuple(thing.key for thing in CLASSES)
NAMES = tuple(thing.name for thing in CLASSES)
SHARE = 20

COUNTS: Mapping[str, tuple[int, int]] = {
    "mini-imagenet-val": (48, 48),
    "mini-imagenet-v2-matched-frequency": (24, 24),
    "mini-imagenet-r": (12, 12),
    "mini-imagenet-a": (12, 12),
    "mini-imagenet-sketch": (24, 24),
    "mini-objectnet": (17, 12),
    "mini-imagenet-vid-robust": (144, 144),
    "mini-imagenet-x": (152, 152),
    "mini-cue-conflict": (29, 29),
    "mini-stylized-imagenet": (24, 24),
    "mini-inaturalist": (10, 0),
    "mini-sun": (10, 0),
    "mini-places": (10, 0),
    "mini-textures": (10, 0),
    "mini-imagenet-o": (10, 0),
    "mini-ninco": (8, 0),
    "mini-imagenet-3dcc": (90, 90),
    "mini-imagenet-d": (72, 72),
    "mini-imagenet-train-16shot": (24, 24),
}
"""Dataset id -> images and labelled images of a twentieth."""

EXTRA = {"mini-imagenet-train-16shot": ("--annotations", class_folders.SHOT_LIST)}
"""Options of `index` beside --root, with a place below it."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A twentieth of every set."""
    out = tmp_path_factory.mktemp("world")
    generate(out, share=SHARE)
    return out


@pytest.fixture(scope="module")
def store(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "store"


class Views(dict[str, pl.DataFrame]):
    """What the ordinary command makes of each set, when it is asked for."""

    def __init__(self, world: Path, store: Path) -> None:
        super().__init__()
        self.world, self.store = world, store

    def __missing__(self, name: str) -> pl.DataFrame:
        root = self.world / name
        option = [EXTRA[name][0], root / EXTRA[name][1]] if name in EXTRA else []
        done = extract(self.store, "index", name, "--root", root, *option, "--manifests", MANIFESTS, "--json")
        assert done.code == 0, done.err
        assert not done.json["refused"]
        self[name] = Store(self.store).view(name)
        return self[name]


@pytest.fixture(scope="module")
def views(world: Path, store: Path) -> Views:
    return Views(world, store)


def labels(view: pl.DataFrame) -> dict[str, Any]:
    return dict(view.select("sample", "label").iter_rows())


@pytest.mark.parametrize("name", COUNTS)
def test_every_set_is_read_as_its_original_is(name: str, views: Views, store: Path) -> None:
    images, labelled = COUNTS[name]
    assert (views[name].height, views[name]["label"].count()) == (images, labelled)
    assert views[name]["image_id"].n_unique() == images
    original = load().datasets[name.removeprefix("mini-")]
    assert Store(store).version(name).facts["layout"] in original.layouts
    assert CATALOGUE.datasets[name].role == original.role


def test_no_byte_changes(world: Path) -> None:
    assert {name: digest(world / name) for name in SETS} == _golden("twentieth")


@pytest.mark.soak
def test_no_byte_of_the_whole_world_changes(tmp_path: Path) -> None:
    generate(tmp_path)
    assert {name: digest(tmp_path / name) for name in SETS} == _golden("whole")


def _golden(which: str) -> dict[str, str]:
    """Return what the command printed; a difference on another machine is a fault, also in the last bit.

    After a change of how the world is drawn all are new:
    python -m extract.miniature.generate OUT --share 20 > tests/extract/miniature_twentieth.txt
    python -m extract.miniature.generate OUT > tests/extract/miniature_whole.txt
    """
    lines = (Path(__file__).with_name(f"miniature_{which}.txt")).read_text().splitlines()
    return {name: said for said, name in (line.split("  ") for line in lines)}


def test_a_set_alone_has_the_same_bytes_and_another_seed_others(world: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", only=["mini-objectnet"], share=SHARE)
    assert digest(tmp_path / "again" / "mini-objectnet") == digest(world / "mini-objectnet")
    generate(tmp_path / "other", seed=1, only=["mini-objectnet"], share=SHARE)
    assert digest(tmp_path / "other" / "mini-objectnet") != digest(world / "mini-objectnet")


def test_no_image_is_in_two_sets(world: Path) -> None:
    seen: dict[str, Path] = {}
    for path in sorted(world.rglob("*")):
        if path.is_file() and path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            twin = seen.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
            assert twin == path, f"{path} is {twin}"


def test_class_folders_are_read_by_key_and_number(views: Views) -> None:
    assert labels(views["mini-imagenet-val"])["n90000005/ILSVRC2012_val_00000006.JPEG"] == 5
    second = labels(views["mini-imagenet-v2-matched-frequency"])
    assert second["imagenetv2-matched-frequency-format-val/10/00.jpeg"] == 10
    assert {key.split("/")[-2]: label for key, label in second.items()} == {str(at): at for at in range(24)}
    # The second class of the renditions is the third of the world.
    assert labels(views["mini-imagenet-r"])["n90000002/outline_0.jpg"] == 1
    assert {key[:9]: label for key, label in labels(views["mini-imagenet-a"]).items()} == {
        KEYS[at]: label for label, at in enumerate(things.ADVERSARIAL_CLASSES)
    }
    shots = labels(views["mini-imagenet-train-16shot"])
    assert {key.split("_")[0]: label for key, label in shots.items()} == dict(zip(KEYS, range(24), strict=True))


def test_objects_join_classes_and_some_have_none(views: Views) -> None:
    found = {key.split("/")[1]: label for key, label in labels(views["mini-objectnet"]).items()}
    assert found["gear_or_hammer"] == 10
    assert found["boat"] == 0
    assert found["bottle"] is None
    assert [name for name, label in found.items() if label is None] == sorted(
        [*(NAMES[at] for at in things.OTHER_OBJECTS), *HELD_OUT_SHAPES[:2]]
    )
    space = CATALOGUE.labels["mini-objectnet-12"]
    assert [NAMES[column] for column in space.members[10]] == ["gear", "hammer"]


def test_frames_know_their_anchor(views: Views) -> None:
    view = views["mini-imagenet-vid-robust"]
    groups = view.group_by("anchor").agg(pl.len(), pl.col("label").n_unique().alias("classes"))
    assert groups.height == 24
    assert set(groups["len"]) == {6}
    assert set(groups["classes"]) == {1}
    first = view.filter(pl.col("sample").str.starts_with("val/ILSVRC2015_val_00000007/"))
    assert first["label"].to_list() == [7] * 6
    assert first["labels"].to_list() == [[7]] * 6
    assert first["anchor"].n_unique() == 1
    assert first["anchor"][0] in first["sample"].to_list()


def test_every_image_is_annotated_with_the_factor_it_was_drawn_for(views: Views, world: Path) -> None:
    view = views["mini-imagenet-x"]
    assert view.select(list(FACTORS)).sum_horizontal().to_list() == [1] * view.height
    assert view.select(list(FACTORS)).sum().row(0) == tuple(factors.images_of(name) // SHARE for name in FACTORS)
    # The 16th image is the first of the second factor, whose classes begin with the eighth.
    row = view.row(15, named=True)
    assert (row["sample"], row["label"]) == ("ILSVRC2012_val_00010016.JPEG", 7)
    assert [name for name in FACTORS if row[name]] == [list(FACTORS)[1]]
    assert (world / "mini-imagenet-x" / "val" / KEYS[7] / row["sample"]).is_file()


def test_cues_stand_in_columns(views: Views) -> None:
    view = views["mini-cue-conflict"]
    row = view.filter(pl.col("sample").str.ends_with("-ring21.png"), pl.col("sample").str.starts_with("arrow/"))
    assert NAMES.index("ring") == 20
    assert row.select("shape", "texture", "label").rows() == [(0, 20, 0)]
    assert (view["shape"] == view["label"]).all()


def test_the_whole_set_of_cues_is_every_pair_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr(cues, "picture", lambda path, scene: names.append(path.stem.partition("_00_")[2]))
    cues.write_cue_conflict(tmp_path, generator(0, "mini-cue-conflict"), 1)
    pairs = [tuple(word.rstrip("0123456789") for word in name.split("-")) for name in names]
    assert len(set(pairs)) == len(pairs) == CATALOGUE.datasets["mini-cue-conflict"].count
    assert {word for pair in pairs for word in pair} == set(NAMES)
    assert (
        sum(shape != texture for shape, texture in pairs)
        == (CATALOGUE.datasets["mini-cue-conflict"].counts["conflicting"])
    )


def test_sets_out_of_distribution_have_no_labels_and_their_own_classes(views: Views) -> None:
    assert set(views["mini-textures"]["ood_class"]) == {"wavy", "dashed", "ringed"}
    assert set(views["mini-ninco"]["ood_class"]) == {*HELD_OUT_SHAPES, "empty_city", "empty_sky"}
    assert set(views["mini-imagenet-o"]["ood_class"]) <= set(KEYS)
    left_out = CATALOGUE.datasets["mini-ninco"].readings["6-class"]
    assert set(left_out) == set(unfamiliar.EMPTY)


def test_slices_of_corruptions_and_contexts(views: Views) -> None:
    slices = views["mini-imagenet-3dcc"].group_by("corruption", "severity").len()
    assert slices.height == 30
    assert set(slices["len"]) == {3}
    assert dict(views["mini-imagenet-d"].group_by("split").len().iter_rows()) == dict.fromkeys(contexts.SPLITS, 24)
    assert labels(views["mini-imagenet-d"])["material/tree/0.jpg"] == NAMES.index("tree")


def test_manifests_count_what_is_written() -> None:
    a_class = {
        "mini-imagenet-val": 24 * class_folders.VAL_A_CLASS,
        "mini-imagenet-v2-matched-frequency": 24 * class_folders.V2_A_CLASS,
        "mini-imagenet-r": len(things.RENDITION_CLASSES) * class_folders.RENDITIONS_A_CLASS,
        "mini-imagenet-a": len(things.ADVERSARIAL_CLASSES) * filtered.A_CLASS,
        "mini-imagenet-sketch": 24 * class_folders.SKETCHES_A_CLASS,
        "mini-objectnet": len(things.OBJECT_GROUPS) * objects.A_FOLDER
        + (len(things.OTHER_OBJECTS) + 2) * objects.A_FOLDER_WITHOUT_CLASS,
        "mini-imagenet-vid-robust": 24 * video.ANCHORS_A_CLASS * (1 + len(video.AROUND)),
        "mini-imagenet-x": sum(map(factors.images_of, FACTORS)),
        "mini-ninco": 8 * unfamiliar.A_NINCO_CLASS,
        "mini-imagenet-3dcc": 24 * corrupted.A_CLASS * len(corrupted.SEVERITIES) * len(CORRUPTIONS),
        "mini-imagenet-d": 24 * contexts.A_CLASS * len(contexts.SPLITS),
        "mini-imagenet-train-16shot": 24 * class_folders.SHOTS,
        "mini-stylized-imagenet": 24 * cues.STYLIZED_A_CLASS,
        **dict.fromkeys(
            ("mini-inaturalist", "mini-sun", "mini-places", "mini-textures", "mini-imagenet-o"), unfamiliar.A_SET
        ),
    }
    assert {name: CATALOGUE.datasets[name].count for name in a_class} == a_class


def test_every_set_has_a_manifest_and_a_writer() -> None:
    assert {name for name in CATALOGUE.datasets if name.startswith("mini-")} == set(SETS)
    for name in SETS:
        assert CATALOGUE.datasets[name].obtain == f"python -m extract.miniature.generate OUT --only {name}"
        assert set(CATALOGUE.datasets[name].layouts) <= set(LAYOUTS)


def test_label_spaces_are_those_of_the_world() -> None:
    spaces = CATALOGUE.labels
    assert (spaces["mini-24"].keys, spaces["mini-24"].names) == (KEYS, NAMES)
    for name, at in (("mini-r-12", things.RENDITION_CLASSES), ("mini-a-12", things.ADVERSARIAL_CLASSES)):
        assert spaces[name].keys == tuple(KEYS[column] for column in at)
        assert spaces[name].members == tuple((column,) for column in at)
    assert spaces["mini-objectnet-12"].keys == things.OBJECT_FOLDERS
    assert spaces["mini-objectnet-12"].members == things.OBJECT_GROUPS
    for name in ("mini-cue-24", "mini-imagenet-d-24"):
        assert spaces[name].keys == spaces[name].names == NAMES
        assert spaces[name].members == tuple((column,) for column in range(24))


def test_factors_are_those_of_the_original_in_its_order() -> None:
    own, original = CATALOGUE.factors["mini-imagenet-x"], CATALOGUE.factors["imagenet-x"]
    assert own.factors == original.factors
    assert set(own.factors) == set(FACTORS)
    reading = own.readings["mini-imagenet-x"]
    assert reading.annotations == factors.ANNOTATIONS
    assert dict(reading.counts) == {name: factors.images_of(name) for name in FACTORS}
    with (MANIFESTS / "factors" / "mini-imagenet-x.toml").open("rb") as file:
        assert tomllib.load(file)["id"] == "mini-imagenet-x"


def test_filtered_images_are_far_from_right(world: Path) -> None:
    # The classifier comes first in the set's random numbers, so that it can be had again.
    means = filtered.class_means(generator(0, "mini-imagenet-a"))
    assert means.shape == (24, 3)
    for path in (world / "mini-imagenet-a").rglob("*.jpg"):
        order = filtered.answers(np.asarray(Image.open(path)), means)
        rank = order.index(KEYS.index(path.parent.name))
        assert rank >= filtered.NEARER
        assert path.name.startswith(f"{rank:02d}_{NAMES[order[0]]}_")


@pytest.mark.parametrize("name", ["mini-inaturalist", "mini-places", "mini-imagenet-o", "mini-ninco"])
def test_nothing_out_of_distribution_has_the_shape_of_a_class(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes: list[Scene] = []
    monkeypatch.setattr(unfamiliar, "picture", lambda path, scene: scenes.append(scene))
    SETS[name](tmp_path, generator(0, name), 1)
    assert len(scenes) == CATALOGUE.datasets[name].count
    # What has no radius is not drawn: those are empty scenes.
    shown = {one.shape for scene in scenes for one in (scene, *scene.distractors) if one.radius}
    assert shown
    assert shown <= set(HELD_OUT_SHAPES)


def test_strangers_are_of_no_class() -> None:
    usual = {(thing.texture, thing.colour) for thing in CLASSES}
    assert len(things.STRANGE_PAIRS) == 36 - 24
    scene = things.stranger(IN, "pi", np.random.RandomState(3))
    assert scene.shape == "pi"
    assert (scene.texture, scene.colour) not in usual


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_grow_with_severity(name: str) -> None:
    image = draw(Scene(shape="star", texture="checked", colour="blue", background="tiled", seed=5))
    depth = np.linspace(200, 900, 64 * 64).astype(np.int64).reshape(64, 64)
    results = [CORRUPTIONS[name](image, depth, severity) for severity in (1, 2, 3, 4, 5)]
    changes = [np.abs(result.astype(int) - image).mean() for result in results]
    assert changes == sorted(changes)
    assert 1 < changes[0] < changes[-1]
    assert all(result.dtype == np.uint8 and result.shape == image.shape for result in results)


@pytest.mark.parametrize(("name", "sharp"), [("near_focus", 150), ("far_focus", 900)])
def test_what_the_lens_is_set_to_stays_sharp(name: str, sharp: int) -> None:
    image = draw(Scene(shape="star", texture="checked", colour="blue", background="tiled", seed=5))
    assert (CORRUPTIONS[name](image, np.full((64, 64), sharp), 5) == image).all()
    assert (CORRUPTIONS[name](image, np.full((64, 64), 300), 5) != image).any()


def test_movement_blurs_what_is_near_and_keeps_an_even_picture() -> None:
    even = np.full((64, 64, 3), 90, np.uint8)
    image = draw(Scene(shape="star", texture="checked", colour="blue", background="tiled", seed=5)).astype(int)
    for name in ("xy_motion_blur", "z_motion_blur"):
        assert (CORRUPTIONS[name](even, np.full((64, 64), 300), 5) == even).all()
        near, far = (
            np.abs(CORRUPTIONS[name](image.astype(np.uint8), np.full((64, 64), depth), 3) - image).mean()
            for depth in (200, 800)
        )
        assert near > far


def test_the_command_says_what_it_wrote_and_leaves_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path / "out"), "--only", "mini-sun", "--share", "40"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert said.err.startswith("mini-sun: 5 files, ")
    assert said.out == f"{digest(tmp_path / 'out' / 'mini-sun')}  mini-sun\n"
    assert main(arguments) == 2
    assert "mini-sun is there already" in capsys.readouterr().err
    assert main([str(tmp_path), "--only", "imagenet-val"]) == 2
    assert "--only imagenet-val: expected one of mini-imagenet-val" in capsys.readouterr().err
    assert main([str(tmp_path), "--share", "0"]) == 2
    assert "--share 0: expected at least 1" in capsys.readouterr().err


def test_mappings_of_objects_name_every_folder(world: Path) -> None:
    root = world / "mini-objectnet"
    folders = json.loads((root / "mappings" / "folder_to_objectnet_label.json").read_text())
    assert {path.name for path in (root / "images").iterdir()} == set(folders)
    named = json.loads((root / "mappings" / "objectnet_to_imagenet_1k.json").read_text())
    assert set(named) < set(folders.values())
    assert named["Gear or hammer"] == "gear; hammer"


def test_a_drawing_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    """A set has its name when it is whole; what a killed process left is no part of it."""
    begun = tmp_path / "mini-sun.part" / "images"
    begun.mkdir(parents=True)
    (begun / "left-over.jpg").write_bytes(b"half")
    generate(tmp_path, only=["mini-sun"], share=SHARE)
    assert [path.name for path in tmp_path.iterdir()] == ["mini-sun"]
    assert digest(tmp_path / "mini-sun") == _golden("twentieth")["mini-sun"]


def test_the_study_draws_what_is_missing_and_refuses_another_world(tmp_path: Path) -> None:
    names = ("mini-sun", "mini-places")
    step = next(miniature_study.commands(tmp_path, names, seed=3, share=SHARE))
    assert step[0][3:] == [*_words(tmp_path, 3), "--only", "mini-sun", "--only", "mini-places"]
    (tmp_path / "world" / "mini-sun").mkdir()
    step = next(miniature_study.commands(tmp_path, names, seed=3, share=SHARE))
    assert step[0][3:] == [*_words(tmp_path, 3), "--only", "mini-places"]
    with pytest.raises(SystemExit, match="was drawn with --seed 3 --share 20, not --seed 4 --share 20"):
        next(miniature_study.commands(tmp_path, names, seed=4, share=SHARE))


def _words(folder: Path, seed: int) -> list[str]:
    return [str(folder / "world"), "--seed", str(seed), "--share", str(SHARE)]
