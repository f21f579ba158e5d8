"""Sets with a folder a class: ImageNet-V2, -R, -A, -Sketch, -D, -3DCC, Stylized-ImageNet, ObjectNet, stylized-mvh."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from cache.texts import read_classes
from extract.layouts.imagenet_3dcc import CORRUPTIONS
from manifests.errors import UsageError
from tests.extract.official import CATALOGUE, Miniature, by_sample, indexed, new_store

# --- ImageNet-V2 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        ("imagenet-v2-matched-frequency", "imagenetv2-matched-frequency-format-val"),
        ("imagenet-v2-threshold", "imagenetv2-threshold0.7-format-val"),
        ("imagenet-v2-top-images", "imagenetv2-top-images-format-val"),
    ],
)
def test_imagenet_v2(dataset: str, folder: str, tmp_path: Path) -> None:
    names = [f"{label}/{hashed}.jpeg" for label, hashed in ((0, "7e2b"), (1, "aa"), (9, "b"), (10, "c"), (999, "d"))]
    root = Miniature(tmp_path / folder).image(*names).root
    _, view = indexed(new_store(tmp_path), dataset, root)
    assert by_sample(view, "label") == dict(zip(names, (0, 1, 9, 10, 999), strict=True))
    # The same from the folder above, as the archive unpacks.
    _, above = indexed(new_store(tmp_path / "2"), dataset, tmp_path)
    assert above["label"].to_list() == view["label"].to_list()


@pytest.mark.parametrize("folder", ["1000", "-1", "01", "tench", "n01440764"])
def test_imagenet_v2_folders_are_class_indices(folder: str, tmp_path: Path) -> None:
    root = Miniature(tmp_path / "v2").image(f"{folder}/a.jpeg").root
    with pytest.raises(UsageError, match=r"expects .*/<0..999>/<file>"):
        indexed(new_store(tmp_path), "imagenet-v2-top-images", root)


# --- folders of WordNet ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "space", "names"),
    [
        ("imagenet-r", "imagenet-r-200", ["imagenet-r/n01443537/art_0.jpg", "imagenet-r/n07920052/tattoo_12.jpg"]),
        ("imagenet-a", "imagenet-a-200", ["imagenet-a/n01498041/0.000116_digital clock _ digital clock_0.865.jpg"]),
        ("imagenet-sketch", "imagenet-1k", ["sketch/n01440764/sketch_50.JPEG", "sketch/n15075141/sketch_9.JPEG"]),
        ("stylized-imagenet", "imagenet-1k", ["val/n01440764/ILSVRC2012_val_00000293.JPEG"]),
    ],
)
def test_folders_of_wordnet_ids(dataset: str, space: str, names: list[str], tmp_path: Path) -> None:
    root = Miniature(tmp_path / "data").image(*names).root
    store = new_store(tmp_path)
    _, view = indexed(store, dataset, root)
    keys = CATALOGUE.labels[space].keys
    assert by_sample(view, "label") == {name: keys.index(name.split("/")[1]) for name in names}
    assert read_classes(store.disk, store.layout, store.version(dataset).classes).keys == keys


# --- ObjectNet ---------------------------------------------------------------------------------------------------


def objectnet(root: Path) -> Miniature:
    files = Miniature(root)
    files.image("images/alarm_clock/0a.png", "images/t-shirt/1b.png", "images/air_freshener/2c.png")
    files.json(
        "mappings/folder_to_objectnet_label.json",
        {"alarm_clock": "Alarm clock", "t-shirt": "T-shirt", "air_freshener": "Air freshener"},
    )
    files.json(
        "mappings/objectnet_to_imagenet_1k.json",
        {"Alarm clock": "analog clock; digital clock", "T-shirt": "jersey, T-shirt, tee shirt"},
    )
    return files.json("mappings/pytorch_to_imagenet_2012_id.json", {"0": 449})


def test_objectnet(tmp_path: Path) -> None:
    report, view = indexed(new_store(tmp_path), "objectnet", objectnet(tmp_path / "objectnet-1.0").root)
    keys = CATALOGUE.labels["objectnet-113"].keys
    # ImageNet has no air freshener: the image is in the view and carries no label.
    assert by_sample(view, "label") == {
        "images/air_freshener/2c.png": None,
        "images/alarm_clock/0a.png": keys.index("alarm_clock"),
        "images/t-shirt/1b.png": keys.index("t-shirt"),
    }
    assert (report.samples, report.labelled) == (3, 2)
    # From the folder above the names are the same.
    _, above = indexed(new_store(tmp_path / "2"), "objectnet", tmp_path)
    assert above.equals(view)


def test_objectnet_needs_its_mappings(tmp_path: Path) -> None:
    files = objectnet(tmp_path / "objectnet-1.0")
    files.image("images/unheard_of/3d.png")
    with pytest.raises(UsageError, match=r"does not know the folder 'unheard_of' of 'images/unheard_of/3d.png'"):
        indexed(new_store(tmp_path), "objectnet", files.root)
    with pytest.raises(UsageError, match=r"expects .*images/ and .*mappings/ with folder_to_objectnet_label.json"):
        indexed(new_store(tmp_path), "objectnet", files.root / "images")
    files.file("mappings/folder_to_objectnet_label.json", "{")
    with pytest.raises(UsageError, match=r"folder_to_objectnet_label.json is not JSON"):
        indexed(new_store(tmp_path), "objectnet", files.root)


# --- ImageNet-D --------------------------------------------------------------------------------------------------


def test_imagenet_d(tmp_path: Path) -> None:
    names = ["background/backpack/1.png", "material/chair/2.png", "texture/alarm_clock/3.png"]
    files = (
        Miniature(tmp_path / "ImageNet-D").image(*names).file("questions/background.csv", "image_dir\tgt_category\n")
    )
    _, view = indexed(new_store(tmp_path), "imagenet-d", files.root)
    keys = CATALOGUE.labels["imagenet-d-113"].keys
    assert by_sample(view, "label", "split") == {
        name: (keys.index(name.split("/")[1]), name.split("/")[0]) for name in names
    }
    _, one = indexed(new_store(tmp_path / "2"), "imagenet-d", files.root / "material")
    assert one.select("sample", "split").rows() == [("material/chair/2.png", "material")]
    files.image("backpack/9.png")
    with pytest.raises(
        UsageError, match=r"expects \{background,texture,material\}/<class>/<file>; got 'backpack/9.png'"
    ):
        indexed(new_store(tmp_path), "imagenet-d", files.root)


# --- ImageNet-3DCC -----------------------------------------------------------------------------------------------


def test_imagenet_3dcc(tmp_path: Path) -> None:
    name = "n01440764/ILSVRC2012_val_00000293.JPEG"
    names = [f"{c}/{s}/{name}" for c in ("fog_3d", "z_motion_blur") for s in (1, 5)]
    files = Miniature(tmp_path / "ImageNet-3DCC").image(*names)
    _, view = indexed(new_store(tmp_path), "imagenet-3dcc", files.root)
    assert by_sample(view, "corruption", "severity", "label") == {
        full: (full.split("/")[0], int(full.split("/")[1]), 0) for full in names
    }
    assert view.schema["severity"] == pl.Int64
    # One archive a corruption: the names are those of the whole set.
    _, part = indexed(new_store(tmp_path / "2"), "imagenet-3dcc", files.root / "fog_3d")
    assert part["sample"].to_list() == names[:2]
    assert len(CORRUPTIONS) == CATALOGUE.datasets["imagenet-3dcc"].counts["corruptions"]


@pytest.mark.parametrize(
    "path",
    ["fog/1/n01440764/a.JPEG", "fog_3d/0/n01440764/a.JPEG", "fog_3d/1/tench/a.JPEG", "fog_3d/12/n01440764/a.JPEG"],
)
def test_imagenet_3dcc_paths(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Corruptions are near_focus, far_focus"):
        indexed(new_store(tmp_path), "imagenet-3dcc", Miniature(tmp_path / "x").image(path).root)


# --- stylized images of model-vs-human -----------------------------------------------------------------------------


def test_stylized_mvh(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "stylized").image("airplane/1.png", "truck/2.png").root
    _, view = indexed(new_store(tmp_path), "stylized-mvh", root)
    assert by_sample(view, "label") == {"airplane/1.png": 0, "truck/2.png": 15}
    with pytest.raises(UsageError, match="label 'session-1' is not a class of this label space"):
        indexed(new_store(tmp_path), "stylized-mvh", Miniature(tmp_path / "x").image("session-1/1.png").root)
