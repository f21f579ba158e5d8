"""imagenet-val: `<wnid>/<file>`, or one flat folder with a labels file; imagenet-real over either."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from extract.containers.opening import open_container
from extract.layouts.annotation_file import IMAGENET_X
from extract.layouts.entries import Ask
from extract.layouts.imagenet_val import val_name
from extract.layouts.registry import detect
from manifests.errors import UsageError
from tests.extract.official import CATALOGUE, Miniature, by_sample, indexed, new_store

# The first validation images and their classes, as published everywhere.
FIRST = {1: ("n01751748", 65), 2: ("n09193705", 970), 3: ("n02105855", 230), 4: ("n04263257", 809)}


def wnid_folders(root: Path) -> Path:
    files = Miniature(root)
    for number, (wnid, _) in FIRST.items():
        files.image(f"{wnid}/{val_name(number)}")
    return files.root


def flat_folder(root: Path) -> Path:
    return Miniature(root).image(*map(val_name, FIRST)).root


def test_class_folders(tmp_path: Path) -> None:
    report, view = indexed(new_store(tmp_path), "imagenet-val", wnid_folders(tmp_path / "val"))
    assert by_sample(view, "label") == {f"{wnid}/{val_name(n)}": label for n, (wnid, label) in FIRST.items()}
    assert report.note.startswith("imagenet-val: 4 images where 50,000 are expected")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,wnid", lambda n: f"{val_name(n)},{FIRST[n][0]}"),
        ("file_name,label", lambda n: f"{val_name(n)},{FIRST[n][1]}"),
    ],
    ids=["file,wnid", "filename_label.csv of imagenet-x"],
)
def test_one_folder_with_labels(header: str, row: object, tmp_path: Path) -> None:
    assert callable(row)
    (tmp_path / "l.csv").write_text("\n".join([header, *(row(number) for number in FIRST)]))
    root = flat_folder(tmp_path / "val")
    _, view = indexed(new_store(tmp_path), "imagenet-val", root, labels=tmp_path / "l.csv")
    assert by_sample(view, "label") == {val_name(n): label for n, (_, label) in FIRST.items()}


def test_the_root_says_which_of_the_two_it_is(tmp_path: Path) -> None:
    layouts = CATALOGUE.datasets["imagenet-val"].layouts
    for make, expected in ((wnid_folders, "imagenet-val-wnid"), (flat_folder, "imagenet-val-flat")):
        files = open_container(make(tmp_path / expected))
        assert detect(Ask(dataset="imagenet-val", files=files), layouts) == expected
    mixed = Miniature(tmp_path / "mixed").image(f"n01751748/{val_name(1)}", val_name(2)).root
    with pytest.raises(UsageError, match=r"mixed looks like none of its layouts. Say which with --layout NAME"):
        indexed(new_store(tmp_path), "imagenet-val", mixed)


def test_listed_without_images(tmp_path: Path) -> None:
    (tmp_path / "filename_label.csv").write_text(f"file_name,label\n{val_name(1)},65\n{val_name(2)},970\n")
    store = new_store(tmp_path)
    _, view = indexed(store, "imagenet-val", None, annotations=tmp_path)
    assert by_sample(view, "label") == {val_name(1): 65, val_name(2): 970}
    assert store.version("imagenet-val").facts["virtual"] is True


# --- ReaL --------------------------------------------------------------------------------------------------------


def real_json(folder: Path, count: int = 50_000) -> Path:
    lists: list[list[int]] = [[] for _ in range(count)]
    lists[1:4] = [[970, 795], [230, 231], [809]]
    path = folder / "real.json"
    path.write_text(json.dumps(lists))
    return path


def test_real_labels_go_by_image_number(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    report, view = indexed(store, "imagenet-real", wnid_folders(tmp_path / "val"), annotations=real_json(tmp_path))
    # An image whose list is empty has no label; of several the first one stands in `label`, all count in `labels`.
    assert by_sample(view, "label", "labels") == {
        val_name(1): (None, []),
        val_name(2): (970, [970, 795]),
        val_name(3): (230, [230, 231]),
        val_name(4): (809, [809]),
    }
    assert view.schema["labels"].is_nested()
    (refused,) = report.refused
    assert refused.sample == val_name(5)
    assert refused.why.endswith(", nor are 49995 more")


def test_real_labels_need_all_fifty_thousand(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a list of 50000 lists, the n-th for image number n; got 49999"):
        indexed(new_store(tmp_path), "imagenet-real", None, annotations=real_json(tmp_path, 49_999))
    (tmp_path / "real.json").write_text(json.dumps([[1000]] * 50_000))
    with pytest.raises(UsageError, match="entry 1: expected a list of classes"):
        indexed(new_store(tmp_path), "imagenet-real", None, annotations=tmp_path)


def test_the_installed_package_has_the_real_labels(tmp_path: Path) -> None:
    try:
        metadata.distribution(IMAGENET_X)
    except metadata.PackageNotFoundError:
        pytest.skip("package imagenet-x is not installed; it holds a copy of the ReaL labels")
    report, view = indexed(new_store(tmp_path), "imagenet-real", None)
    assert (report.samples, report.labelled) == (50_000, 46_837)
    assert view.row(1, named=True) | {"image_id": ""} == {
        "sample": val_name(2), "image_id": "", "label": 970, "labels": [970, 795],
    }  # fmt: skip
