"""Sets of image pairs: SPair-71k, ScanNet-1500 and NAVI; the pairs are a column of the view."""

from __future__ import annotations

import hashlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.layouts.navi import angle
from manifests.errors import UsageError
from tests.extract.official import Miniature, by_sample, encoded, indexed, new_store


def pairs(view: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    assert view.schema["pairs"] == pl.List(pl.String)
    return {sample: [json.loads(text) for text in texts] for sample, texts in by_sample(view, "pairs").items()}


# --- SPair-71k ---------------------------------------------------------------------------------------------------

STEMS = ("2007_000175", "2008_004100", "2010_001024")


def pair_json(number: int, first: str, second: str, **changed: Any) -> dict[str, Any]:
    return {
        "filename": f"{number:06d}-{first}-{second}:cat",
        "src_imname": f"{first}.jpg",
        "trg_imname": f"{second}.jpg",
        "src_imsize": [500, 375, 3],
        "trg_imsize": [400, 300, 3],
        "src_bndbox": [10, 20, 110, 220],
        "trg_bndbox": [5, 6, 70, 80],
        "category": "cat",
        "src_kps": [[11, 21], [12, 22]],
        "trg_kps": [[6, 7], [8, 9]],
        "kps_ids": ["0", "4"],
        "viewpoint_variation": 1,
        "scale_variation": 2,
        "truncation": 0,
        "occlusion": 3,
    } | changed


def spair(root: Path, **changed: Any) -> Miniature:
    files = Miniature(root).image(*(f"JPEGImages/cat/{stem}.jpg" for stem in STEMS), "JPEGImages/dog/unused.jpg")
    files.image(*(f"Segmentation/cat/{stem}.png" for stem in STEMS))
    for stem in STEMS:
        points = {"0": [11, 21], "1": None, "4": [12, 22]}
        files.json(f"ImageAnnotation/cat/{stem}.json", {"kps": points, "bndbox": [10, 20, 110, 220]})
    names = []
    for number, (a, b) in enumerate(((0, 1), (2, 0)), 1):
        names.append(f"{number:06d}-{STEMS[a]}-{STEMS[b]}:cat")
        files.json(f"PairAnnotation/test/{names[-1]}.json", pair_json(number, STEMS[a], STEMS[b], **changed))
    files.json("PairAnnotation/trn/000001-x-y:dog.json", {})
    files.file("Layout/large/trn.txt", "000001-x-y:dog\n")
    return files.file("Layout/large/test.txt", "\n".join(names) + "\n")


def test_spair(tmp_path: Path) -> None:
    report, view = indexed(new_store(tmp_path), "spair-71k", spair(tmp_path / "SPair-71k").root)
    samples = [f"JPEGImages/cat/{stem}.jpg" for stem in STEMS]
    # The test split's images only; masks are no samples.
    assert view["sample"].to_list() == samples
    assert view["category"].to_list() == ["cat"] * 3
    assert view["bounding_box"].to_list() == [[10, 20, 110, 220]] * 3
    assert json.loads(view["keypoints"][0]) == {"0": [11, 21], "4": [12, 22]}
    found = pairs(view)
    assert found == {
        samples[0]: [
            {
                "second": samples[1],
                "split": "test",
                "source_points": [[11, 21], [12, 22]],
                "target_points": [[6, 7], [8, 9]],
                "point_ids": [0, 4],
                "source_box": [10, 20, 110, 220],
                "target_box": [5, 6, 70, 80],
                "viewpoint_variation": 1,
                "scale_variation": 2,
                "truncation": 0,
                "occlusion": 3,
            }
        ],
        samples[1]: [],
        samples[2]: [found[samples[0]][0] | {"second": samples[0]}],
    }
    assert (report.labelled, report.refused) == (0, ())


def test_spair_annotations_that_are_not_those_of_their_name(tmp_path: Path) -> None:
    files = spair(tmp_path / "a", src_imname="other.jpg")
    with pytest.raises(UsageError, match=r"line 1: .* is of other and .*, expected those of its name"):
        indexed(new_store(tmp_path), "spair-71k", files.root)
    files = spair(tmp_path / "b", viewpoint_variation=None)
    with pytest.raises(UsageError, match="expected SPair-71k's pair annotation"):
        indexed(new_store(tmp_path), "spair-71k", files.root)
    files = spair(tmp_path / "c")
    (files.root / f"PairAnnotation/test/000001-{STEMS[0]}-{STEMS[1]}:cat.json").unlink()
    with pytest.raises(UsageError, match=r"test.txt line 1: PairAnnotation/test/000001-.*:cat.json is missing"):
        indexed(new_store(tmp_path), "spair-71k", files.root)
    with pytest.raises(UsageError, match=r"expects .*JPEGImages, ImageAnnotation, PairAnnotation"):
        indexed(new_store(tmp_path), "spair-71k", files.root / "JPEGImages")


def test_spair_without_a_colon_in_file_names(tmp_path: Path) -> None:
    """As Windows unpacks it."""
    files = spair(tmp_path / "a")
    for path in (files.root / "PairAnnotation/test").iterdir():
        path.rename(path.with_name(path.name.replace(":", "_")))
    assert len(indexed(new_store(tmp_path), "spair-71k", files.root)[1]) == 3


# --- ScanNet -----------------------------------------------------------------------------------------------------

K = [[577.0, 0.0, 318.5], [0.0, 578.0, 242.5], [0.0, 0.0, 1.0]]


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def scannet(root: Path) -> Miniature:
    files = Miniature(root)
    for scene, frame in (("scene0707_00", 15), ("scene0707_00", 585), ("scene0806_01", 0), ("scene0806_01", 30)):
        files.image(f"{scene}/color/{frame}.jpg", f"{scene}/depth/{frame}.png")
        pose = np.eye(4) * [[2.0], [1], [1], [1]]
        files.file(f"{scene}/pose/{frame}.txt", "\n".join(" ".join(f"{v:.6f}" for v in row) for row in pose))
    files.image("scene0707_00/color/7.jpg")
    return files.file("intrinsics.npz", npz(scene0707_00=np.array(K), scene0806_01=np.array(K)))


ROWS = np.array([[707, 0, 15, 585], [806, 1, 30, 0]])
LINES = "# pairs\n" + "".join(
    f"scans_test/{scene}/sens/frame-{a:06d}.color.jpg scans_test/{scene}/sens/frame-{b:06d}.color.jpg 0 0 577 0 318\n"
    for scene, a, b in (("scene0707_00", 15, 585), ("scene0806_01", 30, 0))
)


@pytest.mark.parametrize(
    ("name", "content"),
    [("test.npz", npz(name=ROWS)), ("pairs_calibrated.txt", LINES), ("scannet_test_pairs_with_gt.txt", LINES)],
)
def test_scannet(name: str, content: bytes | str, tmp_path: Path) -> None:
    files = scannet(tmp_path / "scannet_test_1500").file(name, content)
    _, view = indexed(new_store(tmp_path), "scannet", files.root)
    # Depth maps are no samples, nor are frames of no pair.
    samples = [
        "scene0707_00/color/15.jpg",
        "scene0707_00/color/585.jpg",
        "scene0806_01/color/0.jpg",
        "scene0806_01/color/30.jpg",
    ]
    assert view["sample"].to_list() == samples
    found = pairs(view)
    assert {first: [pair["second"] for pair in of] for first, of in found.items()} == {
        samples[0]: [samples[1]], samples[1]: [], samples[2]: [], samples[3]: [samples[2]],
    }  # fmt: skip
    row = view.row(1, named=True)
    assert (row["scene"], row["frame"], row["depth"]) == ("scene0707_00", 585, "scene0707_00/depth/585.png")
    assert row["intrinsics"] == [value for line in K for value in line]
    assert row["pose"] == [2.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


def test_scannet_without_its_lists(tmp_path: Path) -> None:
    files = scannet(tmp_path / "x")
    with pytest.raises(UsageError, match=r"test.npz is in the repository of LoFTR, not beside its images"):
        indexed(new_store(tmp_path), "scannet", files.root)
    (tmp_path / "test.npz").write_bytes(npz(name=ROWS))
    assert len(indexed(new_store(tmp_path), "scannet", files.root, annotations=tmp_path)[1]) == 4
    (tmp_path / "test.npz").write_bytes(npz(name=ROWS[:, :3]))
    with pytest.raises(UsageError, match=r"expected an array `name` of rows \(scene, sequence, frame, frame\)"):
        indexed(new_store(tmp_path), "scannet", files.root, annotations=tmp_path)
    (tmp_path / "test.npz").write_bytes(b"PK damaged")
    with pytest.raises(UsageError, match=r"cannot be read as .npz"):
        indexed(new_store(tmp_path), "scannet", files.root, annotations=tmp_path)
    files.file("test.npz", npz(name=ROWS)).file("scene0707_00/pose/15.txt", "-inf " * 16)
    with pytest.raises(UsageError, match=r"pose/15.txt: expected finite numbers of shape \(16,\)"):
        indexed(new_store(tmp_path), "scannet", files.root)


# --- NAVI --------------------------------------------------------------------------------------------------------


def turned(degrees: float) -> list[float]:
    half = math.radians(degrees / 2)
    return [math.cos(half), 0.0, math.sin(half), 0.0]


def navi(
    root: Path, things: tuple[str, ...] = ("3d_dollhouse_sink",), multi: str = "multiview-00-pixel_5"
) -> Miniature:
    """Each object: a wild set of nine images 20 degrees apart, and one multi-view scene of one image."""
    files = Miniature(root)
    for thing in things:
        for folder, count in (("wild_set", 9), (multi, 1), ("video-00", 1)):
            notes = []
            for at in range(count):
                files.image(f"{thing}/{folder}/images/{at:03d}.jpg", f"{thing}/{folder}/depth/{at:03d}.png")
                files.image(f"{thing}/{folder}/masks/{at:03d}.png", f"{thing}/{folder}/images/downsampled_{at:03d}.jpg")
                camera = {"q": turned(20 * at), "t": [0.0, 1.5, 500.0], "focal_length": 3024.5, "camera_model": "pixel"}
                notes.append(
                    {
                        "object_id": thing,
                        "filename": f"{at:03d}.jpg",
                        "image_size": [3024, 4032],
                        "split": "train",
                        "camera": camera,
                    }
                )
            files.json(f"{thing}/{folder}/annotations.json", notes)
    return files


@pytest.mark.parametrize("multi", ["multiview-00-pixel_5", "multiview_00", "multiview_07_canon"])
def test_navi(multi: str, tmp_path: Path) -> None:
    report, view = indexed(new_store(tmp_path), "navi", navi(tmp_path / "navi_v1", multi=multi).root)
    # Neither depth maps and masks, nor downsampled copies, nor videos.
    wild = [f"3d_dollhouse_sink/wild_set/images/{at:03d}.jpg" for at in range(9)]
    assert view["sample"].to_list() == [f"3d_dollhouse_sink/{multi}/images/000.jpg", *wild]
    row = view.row(3, named=True)
    assert (row["object"], row["collection"], row["split"], row["focal_length"]) == (
        "3d_dollhouse_sink",
        "wild_set",
        "train",
        3024.5,
    )
    assert row["depth"] == "3d_dollhouse_sink/wild_set/depth/002.png"
    assert row["image_size"] == [3024, 4032]
    assert row["rotation"] == turned(40)
    assert row["translation"] == [0.0, 1.5, 500.0]
    found = pairs(view)
    assert [sample for sample, of in found.items() if of] == [wild[0], wild[4], wild[8]]
    for sample in (wild[0], wild[4], wild[8]):
        (pair,) = found[sample]
        apart = abs(wild.index(pair["second"]) - wild.index(sample)) * 20
        assert pair == {"second": pair["second"], "angle_deg": apart}
        assert 0 < apart <= 120
    assert report.refused == ()
    # Drawn anew, the same pairs.
    assert indexed(new_store(tmp_path / "2"), "navi", tmp_path / "navi_v1")[1].equals(view)


@pytest.mark.parametrize("dataset", ["navi", "scannet"])
def test_a_depth_map_is_known_by_its_bytes(dataset: str, tmp_path: Path) -> None:
    files = navi(tmp_path / "set") if dataset == "navi" else scannet(tmp_path / "set").file("test.npz", npz(name=ROWS))
    store = new_store(tmp_path)
    first, view = indexed(store, dataset, files.root)
    row = view.row(1, named=True)
    depth = files.root / row["depth"]
    assert row["depth_sha256"] == hashlib.sha256(depth.read_bytes()).hexdigest()
    again, _ = indexed(store, dataset, files.root)
    assert (again.version, again.new, again.hashed) == (first.version, False, 0)
    depth.write_bytes(encoded(999))
    changed, after = indexed(store, dataset, files.root)
    assert changed.new
    assert changed.version != first.version
    assert after.drop("depth_sha256").equals(view.drop("depth_sha256"))
    assert after["depth_sha256"].to_list().index(hashlib.sha256(encoded(999)).hexdigest()) == 1
    depth.unlink()
    assert indexed(store, dataset, files.root)[1]["depth_sha256"][1] is None


def test_navi_pairs_of_a_list(tmp_path: Path) -> None:
    files = navi(tmp_path / "data" / "navi_v1")
    listed = tmp_path / "pairs-wild_set.txt"
    first, second = (f"3d_dollhouse_sink/wild_set/images/{at:03d}.jpg" for at in (1, 3))
    listed.write_text(f"{first} {second} 40.0\n{second} {first} 40.0\n")
    for root in (files.root, files.root.parent):
        _, view = indexed(new_store(root), "navi", root, annotations=listed)
        prefix = "" if root == files.root else "navi_v1/"
        found = {sample: of for sample, of in pairs(view).items() if of}
        assert found == {
            prefix + first: [{"second": prefix + second, "angle_deg": 40.0}],
            prefix + second: [{"second": prefix + first, "angle_deg": 40.0}],
        }
    listed.write_text(f"{first} nowhere.jpg 40.0\n")
    with pytest.raises(UsageError, match="line 1: expected `image image degrees` with images of the annotations"):
        indexed(new_store(tmp_path), "navi", files.root, annotations=listed)


def test_navi_objects_without_a_multiview_scene_make_no_pairs(tmp_path: Path) -> None:
    files = navi(tmp_path / "navi_v1", ("a_soap", "b_lamp"))
    for path in sorted((files.root / "a_soap/multiview-00-pixel_5").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    found = pairs(indexed(new_store(tmp_path), "navi", files.root)[1])
    assert {sample.split("/")[0] for sample, of in found.items() if of} == {"b_lamp"}


def test_navi_without_annotations(tmp_path: Path) -> None:
    files = navi(tmp_path / "x")
    files.json("3d_dollhouse_sink/wild_set/annotations.json", [{"filename": "000.jpg", "camera": {"q": [1, 0, 0]}}])
    with pytest.raises(
        UsageError, match=r"wild_set/annotations.json: image 0: expected filename, image_size and camera"
    ):
        indexed(new_store(tmp_path), "navi", files.root)
    with pytest.raises(UsageError, match=r"expects .*<object>/wild_set/annotations.json"):
        indexed(new_store(tmp_path), "navi", Miniature(tmp_path / "y").image("a/b.jpg").root)


@pytest.mark.parametrize(("degrees", "expected"), [(0, 0), (90, 90), (180, 180), (270, 90), (359, 1)])
def test_the_angle_between_rotations(degrees: float, expected: float) -> None:
    assert angle(turned(0), turned(degrees)) == pytest.approx(expected, abs=1e-6)
    assert angle([-value for value in turned(0)], turned(degrees)) == pytest.approx(expected, abs=1e-6)
