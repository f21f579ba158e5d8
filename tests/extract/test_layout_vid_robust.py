"""imagenet-vid-robust: frames, their lists of labels, and the anchor that each belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from extract.layouts.vid_robust import CLASSES
from manifests.errors import UsageError
from tests.extract.official import CATALOGUE, Miniature, by_sample, indexed, new_store

FRAMES = [f"val/ILSVRC2015_val_00000000/{n:06d}.JPEG" for n in (9, 10, 11)]
LONELY = "val/ILSVRC2017_val_00000001/000100.JPEG"
LABELS = {FRAMES[0]: [4], FRAMES[1]: [4, 27], FRAMES[2]: [27], LONELY: [29]}
SETS = {FRAMES[1]: [FRAMES[0], FRAMES[2]], LONELY: []}
INDEX = {str(at): [f"n{at:08d}", name] for at, name in enumerate(CLASSES)}


def miniature(root: Path, **changed: Any) -> Path:
    files = Miniature(root).image(*FRAMES, LONELY)
    files.json("metadata/pmsets.json", changed.get("sets", SETS))
    files.json("metadata/labels.json", changed.get("labels", LABELS))
    return files.json("misc/imagenet_vid_class_index.json", changed.get("index", INDEX)).root


def test_frames_labels_and_anchors(tmp_path: Path) -> None:
    report, view = indexed(new_store(tmp_path), "imagenet-vid-robust", miniature(tmp_path / "imagenet-vid-robust"))
    assert by_sample(view, "label", "labels", "anchor") == {
        FRAMES[0]: (4, [4], FRAMES[1]),
        FRAMES[1]: (4, [4, 27], FRAMES[1]),
        FRAMES[2]: (27, [27], FRAMES[1]),
        LONELY: (29, [29], LONELY),
    }
    assert report.refused == ()
    assert CATALOGUE.labels["vid-robust-30"].keys == CLASSES
    # Samples are called as the metadata calls them, from whichever folder.
    _, above = indexed(new_store(tmp_path / "2"), "imagenet-vid-robust", tmp_path / "imagenet-vid-robust" / "..")
    assert above["sample"].to_list() == view["sample"].to_list()


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"labels": LABELS | {LONELY: [30]}}, r"000100.JPEG: expected a list of classes 0..29, got \[30\]"),
        ({"labels": LABELS | {LONELY: []}}, r"expected a list of classes 0..29, got \[\]"),
        ({"labels": LABELS | {"val/x/1.JPEG": [1]}}, "pmsets.json lacks 'val/x/1.JPEG'"),
        ({"sets": SETS | {LONELY: [FRAMES[0]]}}, "is in the sets of"),
        ({"index": INDEX | {"5": ["n0", "tram"]}}, "class 5 is 'tram', which is unexpected"),
    ],
)
def test_metadata_that_contradict_each_other(changed: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=complaint):
        indexed(new_store(tmp_path), "imagenet-vid-robust", miniature(tmp_path / "x", **changed))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = miniature(tmp_path / "x")
    (root / FRAMES[2]).unlink()
    report, view = indexed(new_store(tmp_path), "imagenet-vid-robust", root)
    assert view.height == 3
    assert [(refused.sample, refused.why.split(" and ")[0]) for refused in report.refused] == [
        (FRAMES[2], "metadata/labels.json names it")
    ]
    (root / "metadata" / "labels.json").unlink()
    with pytest.raises(UsageError, match=r"with pmsets.json and labels.json"):
        indexed(new_store(tmp_path), "imagenet-vid-robust", root)
