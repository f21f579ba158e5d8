"""flickr30k and mscoco: either annotation file gives the same view."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from manifests.errors import UsageError
from tests.extract.official import Miniature, by_sample, indexed, new_store

FLICKR = {
    "1007129816.jpg": ["The man with pierced ears, glasses and a hat.", "A man, in a hat", "c", "d", "e"],
    "36979.jpg": ["A group, of friends .", "two, three, four", "c", "d", "the photo dog.jpg, on a wall"],
}
COCO = {
    "COCO_val2014_000000000042.jpg": [f"shoes {n}" for n in range(5)],
    "COCO_val2014_000000000391579.jpg": [f"a camera, caption {n}" for n in range(6)],
}


def flickr_txt() -> str:
    lines = [f"{name},{caption}" for name, captions in FLICKR.items() for caption in captions]
    return "image,caption\n" + "\n".join(lines) + "\n\n"


def coco_json() -> dict[str, Any]:
    numbers = {name: int(name.split("_")[-1].split(".")[0]) for name in COCO}
    pairs = [(numbers[name], caption) for name, captions in COCO.items() for caption in captions]
    # Images in another order than their ids, captions of several images in turns.
    return {
        "images": [{"id": numbers[name], "file_name": name} for name in reversed(COCO)],
        "annotations": [
            {"id": at, "image_id": n, "caption": c} for at, (n, c) in enumerate(sorted(pairs, key=lambda p: p[1][-1]))
        ],
    }


def karpathy_json(dataset: str, rows: dict[str, list[str]]) -> dict[str, Any]:
    images: list[dict[str, Any]] = [
        {"filename": name, "filepath": "val2014", "split": "test", "sentences": [{"raw": c} for c in captions]}
        for name, captions in rows.items()
    ]
    if dataset == "coco":
        # In no order that ids have.
        images = [{**image, "cocoid": int(image["filename"].split("_")[-1][:-4])} for image in reversed(images)]
    return {
        "dataset": dataset,
        "images": [*images, {"filename": "t.jpg", "split": "restval", "sentences": [{"raw": "x"}]}],
    }


def check(dataset: str, files: Miniature, expected: dict[str, list[str]], where: Path, layout: str) -> pl.DataFrame:
    store = new_store(where)
    report, view = indexed(store, dataset, files.root)
    assert by_sample(view, "caption") == expected
    assert view["split"].to_list() == ["test"] * len(expected)
    assert view.schema["caption"] == pl.List(pl.String)
    assert (report.labelled, report.refused) == (0, ())
    assert store.version(dataset).facts["layout"] == layout
    return view


def test_flickr_from_either_file(tmp_path: Path) -> None:
    first = Miniature(tmp_path / "a").image(*FLICKR, "t.jpg").file("flickr30k_test_karpathy.txt", flickr_txt())
    second = Miniature(tmp_path / "b").image(*(f"flickr30k-images/{name}" for name in FLICKR), "flickr30k-images/t.jpg")
    second.json("dataset_flickr30k.json", karpathy_json("flickr30k", FLICKR))
    views = [
        check("flickr30k", first, FLICKR, tmp_path / "1", "retrieval-annotations"),
        check("flickr30k", second, FLICKR, tmp_path / "2", "karpathy"),
    ]
    assert views[0].equals(views[1])
    # Commas, and even another `.jpg,`, belong to the caption.
    assert views[0]["caption"][1][4] == "the photo dog.jpg, on a wall"


def test_coco_from_either_file(tmp_path: Path) -> None:
    first = (
        Miniature(tmp_path / "a")
        .image(*(f"val2014/{name}" for name in COCO))
        .json("coco_test_karpathy.json", coco_json())
    )
    second = Miniature(tmp_path / "b").image(*(f"val2014/{name}" for name in COCO))
    second.json("dataset_coco.json", karpathy_json("coco", COCO))
    views = [
        check("mscoco", first, COCO, tmp_path / "1", "retrieval-annotations"),
        check("mscoco", second, COCO, tmp_path / "2", "karpathy"),
    ]
    # In the order of image ids, with all captions of each: 5 and 6.
    assert views[0].equals(views[1])
    assert views[0]["caption"].list.len().to_list() == [5, 6]


def test_annotations_may_lie_elsewhere(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "images").image(*FLICKR)
    (tmp_path / "flickr30k_test_karpathy.txt").write_text(flickr_txt())
    with pytest.raises(UsageError, match="looks like none of its layouts"):
        indexed(new_store(tmp_path), "flickr30k", files.root)
    _, view = indexed(new_store(tmp_path), "flickr30k", files.root, annotations=tmp_path)
    assert by_sample(view, "caption") == FLICKR
    store = new_store(tmp_path / "listed")
    _, listed = indexed(store, "flickr30k", None, annotations=tmp_path)
    assert listed.drop("image_id").equals(view.drop("image_id"))
    assert store.version("flickr30k").facts["virtual"] is True


def test_two_annotation_files_are_ambiguous(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "a").image(*FLICKR).file("flickr30k_test_karpathy.txt", flickr_txt())
    files.json("dataset_flickr30k.json", karpathy_json("flickr30k", FLICKR))
    with pytest.raises(UsageError, match=r"could be several layouts. Say which with --layout NAME"):
        indexed(new_store(tmp_path), "flickr30k", files.root)
    _, view = indexed(new_store(tmp_path), "flickr30k", files.root, layout="karpathy")
    assert view.height == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("header\n36979.png,a caption\n", r"line 2: expected `<name>.jpg,<caption>`"),
        ("header\n36979.jpg,\n", "line 2: expected"),
        ("header\n", "0 images with 0 distinct names"),
    ],
)
def test_malformed_flickr_files(text: str, complaint: str, tmp_path: Path) -> None:
    files = Miniature(tmp_path / "a").image(*FLICKR).file("flickr30k_test_karpathy.txt", text)
    with pytest.raises(UsageError, match=complaint):
        indexed(new_store(tmp_path), "flickr30k", files.root)


def test_the_other_sets_file_is_refused(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "a").image(*FLICKR)
    (tmp_path / "x.json").write_text(json.dumps(karpathy_json("coco", FLICKR)))
    with pytest.raises(UsageError, match=r"is of 'coco', not of flickr30k; dataset_flickr30k.json is"):
        indexed(new_store(tmp_path), "flickr30k", files.root, annotations=tmp_path / "x.json", layout="karpathy")


def test_a_lacking_image_is_named_once_with_the_count(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "a").image("36979.jpg").file("flickr30k_test_karpathy.txt", flickr_txt())
    report, view = indexed(new_store(tmp_path), "flickr30k", files.root)
    assert view.height == 1
    (refused,) = report.refused
    assert refused.sample == "1007129816.jpg"
