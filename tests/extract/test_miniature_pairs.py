"""Sets of the miniature with captions, pairs of views and keypoints: their layouts, and that their geometry is true."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from analyze.metrics.camera import quaternion_rotation
from analyze.pair_truth import PairTruth
from cache.image_pairs import pairs_of
from cache.store import Store
from extract.matching.depth import depth_points
from extract.miniature.sets.camera import UNIT, Camera, looking_at, turned
from extract.miniature.sets.captioned import write_flickr30k, write_mscoco
from extract.miniature.sets.semantic_pairs import write_spair_71k
from extract.miniature.sets.stored_files import depth_png, stored_npz
from extract.miniature.sets.view_pairs import IN_FRONT, write_navi, write_scannet
from extract.miniature.world import CLASSES
from tests.extract.command_line import REPOSITORY, analyze, extract
from tests.extract.tiny_open_clip import registered

Points = NDArray[np.float64]

MANIFESTS = ("--manifests", REPOSITORY / "manifests" / "miniature")
TINY = ("--model", "timm:test_resnet", "--weights", "random:0")
WRITTEN = {
    "mini-flickr30k": (write_flickr30k, 10),
    "mini-mscoco": (write_mscoco, 10),
    "mini-scannet": (write_scannet, 3),
    "mini-navi": (write_navi, 2),
    "mini-spair-71k": (write_spair_71k, 5),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of each set, indexed by the ordinary command."""
    folder = tmp_path_factory.mktemp("world")
    for name, (write, share) in WRITTEN.items():
        write(folder / name, np.random.RandomState(11), share)
        done = extract(folder / "store", "index", name, "--root", folder / name, "--json", *MANIFESTS)
        assert (done.code, done.json["refused"]) == (0, []), done.err
    return folder


def view(world: Path, name: str) -> pl.DataFrame:
    return Store(world / "store").version(name).table


def pixels(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int64)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", list(WRITTEN))
def test_a_seed_is_a_set(name: str, world: Path, tmp_path: Path) -> None:
    write, share = WRITTEN[name]
    write(tmp_path / "again", np.random.RandomState(11), share)
    write(tmp_path / "other", np.random.RandomState(12), share)
    first = files_of(world / name)
    assert files_of(tmp_path / "again") == first
    assert files_of(tmp_path / "other") != first


# --- captions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mini-flickr30k", "mini-mscoco"])
def test_captions(name: str, world: Path) -> None:
    table = view(world, name)
    assert table.height == 20
    names = {thing.name for thing in CLASSES}
    for at, captions in enumerate(table["caption"].to_list()):
        assert len(set(captions)) == len(captions) == 5
        # Of the first twenty classes, by turns.
        words = [set(text.rstrip(".").split()) & names for text in captions]
        assert all(CLASSES[at].name in said for said in words), captions
    assert table["image_id"].n_unique() == 20


def test_the_image_of_another_split_is_left_out(world: Path) -> None:
    written = sorted(path.name for path in (world / "mini-mscoco" / "val2014").iterdir())
    assert len(written) == 21
    assert set(written) - set(view(world, "mini-mscoco")["sample"]) == {written[-1]}


# --- a camera in whole numbers -----------------------------------------------------------------------------------


@given(st.tuples(*(st.integers(-18, 18),) * 3), st.integers(300, 3000))
def test_rays_meet_the_wall_where_floats_say(turn: tuple[int, int, int], distance: int) -> None:
    yaw = turn[1] // 4
    one = looking_at((40, -30, 0), distance, turned(turn[0], yaw, turn[2] // 4), focal=144, width=16, height=12)
    rows, length = one.rotation
    rotation = np.array(rows) / length
    np.testing.assert_allclose(rotation, quaternion_rotation(one.turn), atol=1e-12)
    np.testing.assert_allclose(one.translation, -rotation @ one.centre, atol=1e-6)
    y, x = np.mgrid[0:12, 0:16] + 0.5
    rays = np.stack([(x - 8) / 144, (y - 6) / 144, np.ones_like(x)], axis=-1)
    away = rays @ rotation
    z = (-50 - one.centre[2]) / away[..., 2]
    top, bottom = one.depth(-50)
    np.testing.assert_allclose(top / bottom, z, rtol=1e-9)
    met = one.centre + away * z[..., None]
    np.testing.assert_allclose(met[..., 2], -50, atol=1e-6)
    column, row = one.cells(-50, (-1000, -900), 7)
    # A float next to a border may fall on either side of it.
    assert (np.abs(column + 0.5 - (met[..., 0] + 1000) / 7) < 0.5 + 1e-6).all()
    assert (np.abs(row + 0.5 - (met[..., 1] + 900) / 7) < 0.5 + 1e-6).all()
    # Its middle is what it looks at, to the millimetre that its own place is rounded to.
    assert np.abs(rotation @ (np.array([40, -30, 0]) - one.centre))[:2].max() < 2


def test_a_quarter_turn() -> None:
    rows, length = Camera(turn=turned(UNIT), centre=(0, 0, -9), focal=1, width=1, height=1).rotation
    assert (np.array(rows) / length).tolist() == [[0, -1, 0], [1, 0, 0], [0, 0, 1]]


def test_a_camera_that_looks_past_the_wall_is_an_error() -> None:
    away = Camera(turn=turned(0, UNIT), centre=(0, 0, -9), focal=1, width=4, height=4)
    with pytest.raises(ValueError, match="looks past the wall"):
        away.cells(0, (0, 0), 1)


# --- files without a compressor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (120, 160), (181, 182)])
def test_depths_read_back(shape: tuple[int, int]) -> None:
    # The largest takes two blocks.
    values = np.random.RandomState(0).randint(0, 65536, size=shape).astype(np.uint16)
    data = depth_png(values)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "I;16")
        np.testing.assert_array_equal(np.asarray(image), values)


def test_depths_of_another_type_are_refused() -> None:
    with pytest.raises(ValueError, match="expected uint16"):
        depth_png(np.zeros((2, 2), np.int32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected uint16"):
        depth_png(np.zeros((0, 2), np.uint16))


def test_arrays_hold_no_time() -> None:
    data = stored_npz({"a": np.eye(2), "b": np.array([[1, 2]])})
    assert data == stored_npz({"a": np.eye(2), "b": np.array([[1, 2]])})
    assert data[10:14] == bytes([0, 0, 0x21, 0])  # the first of January 1980
    with np.load(io.BytesIO(data)) as held:
        assert held["a"].tolist() == [[1, 0], [0, 1]]


# --- views -------------------------------------------------------------------------------------------------------


def seen(image: NDArray[np.int64], depth: NDArray[np.int64], focal: float) -> Iterator[tuple[int, int, Points]]:
    """Yield row, column and place in the camera's frame of every pixel that has a depth, in its unit."""
    height, width = image.shape[:2]
    for row, column in np.argwhere(depth > 0).tolist():
        z = float(depth[row, column])
        yield row, column, np.array([(column + 0.5 - width / 2) * z / focal, (row + 0.5 - height / 2) * z / focal, z])


def test_walls_seen_twice(world: Path) -> None:
    """Depth and pose of one frame say where its points are in another: there are their colours and their depths."""
    scene = sorted((world / "mini-scannet").glob("scene*"))[0]
    with np.load(world / "mini-scannet" / "intrinsics.npz") as held:
        focal = held[scene.name][0, 0] / 4
    frames: dict[int, tuple[Any, Any, Points]] = {}
    for path in (scene / "color").iterdir():
        frame = int(path.stem)
        pose = np.loadtxt(scene / "pose" / f"{frame}.txt")
        frames[frame] = (pixels(path), pixels(scene / "depth" / f"{frame}.png"), pose)
    layers: set[int] = set()
    for first, second in combinations(sorted(frames), 2):
        (image, depth, pose), (other, other_depth, other_pose) = frames[first], frames[second]
        there, colours, shifted = [], [], []
        for row, column, place in seen(image, depth, focal):
            on_wall = pose[:3, :3] @ (place / 1000) + pose[:3, 3]
            # Every depth is that of a picture, to a millimetre.
            height = min(IN_FRONT, key=lambda h: abs(on_wall[2] + h / 1000))
            assert abs(on_wall[2] + height / 1000) < 0.001
            layers.add(height)
            x, y, z = np.linalg.inv(other_pose)[:3] @ [*on_wall, 1.0]
            u, v = int(x / z * focal + 80), int(y / z * focal + 60)
            if not (0 <= u < 160 and 0 <= v < 120):
                continue
            if other_depth[v, u]:
                there.append(abs(z * 1000 - other_depth[v, u]))
            colours.append(np.abs(image[row, column] - other[v, u]).max())
            shifted.append(np.abs(image[row, column] - other[v, (u + 30) % 160]).max())
        assert len(there) > 20
        # The rest is behind a picture that hangs in front, or at its edge.
        assert np.mean(np.array(there) < 10) > 0.8
        assert np.median(colours) < 12 < 20 < np.median(shifted)
    assert layers == set(IN_FRONT)


def test_things_seen_twice(world: Path) -> None:
    folder = world / "mini-navi" / "fish" / "wild_set"
    views = []
    for note in json.loads((folder / "annotations.json").read_text())[:6]:
        pose = np.eye(4)
        pose[:3, :3] = quaternion_rotation(note["camera"]["q"])
        pose[:3, 3] = note["camera"]["t"]
        image = pixels(folder / "images" / note["filename"])
        stored = pixels(folder / "depth" / note["filename"].replace(".jpg", ".png")).astype(np.float64)
        depth = np.divide(655350.0, stored, out=np.zeros_like(stored), where=stored > 0)
        assert note["image_size"] == list(image.shape[:2])
        assert 150 < (depth > 0).sum() < 64 * 64
        views.append((image, depth, pose, note["camera"]["focal_length"]))
    for (image, depth, pose, focal), (other, other_depth, other_pose, _) in combinations(views, 2):
        colours, on_thing = [], []
        for row, column, place in seen(image, depth, focal):
            on_board = np.linalg.inv(pose) @ [*place, 1.0]
            assert abs(on_board[2]) < 0.6  # millimetres: what the stored disparity is rounded to
            x, y, z = (other_pose @ on_board)[:3]
            u, v = int(x / z * focal + 64), int(y / z * focal + 64)
            if 0 <= u < 128 and 0 <= v < 128:
                colours.append(np.abs(image[row, column] - other[v, u]).max())
                if u % 2 == v % 2 == 0:
                    on_thing.append(bool(other_depth[v, u] > 0))
        assert np.median(colours) < 12
        assert np.mean(on_thing) > 0.9


@pytest.mark.parametrize(("name", "scheme"), [("mini-scannet", "scannet"), ("mini-navi", "navi")])
def test_what_the_analysis_reads(name: str, scheme: Any, world: Path) -> None:
    """Through the columns of the view, too, a point's place in the second image is no error."""
    version = Store(world / "store").version(name)
    rows = version.table.to_dicts()
    prefix = world / name
    depths = {at: depth_points((prefix / row["depth"]).read_bytes(), scheme) for at, row in enumerate(rows)}
    truth = PairTruth(rows, scheme, lambda at: depths[at])
    listed = pairs_of(version)
    assert listed.absent == 0
    found = 0
    for pair in listed.pairs:
        height, width = depths[pair.first].shape
        cells = np.argwhere(depths[pair.first] > 0)
        first = (cells[:, ::-1] + 0.5) / (width, height)
        camera, other = truth.camera(pair.first), truth.camera(pair.second)
        places = truth.points(pair.first, first)
        relative = other.pose @ np.linalg.inv(camera.pose)
        projected = (places @ relative[:3, :3].T + relative[:3, 3]) @ other.intrinsics.T
        second = (projected[:, :2] / projected[:, 2:] + 0.5) / other.size
        inside = ((second >= 0) & (second < 1)).all(axis=1)
        metres, distances = truth.errors(pair, first[inside], second[inside])
        known = np.isfinite(metres)
        found += int(known.sum())
        # A point of the second image is anywhere in the cell whose depth it takes.
        near = metres[known] < 0.01
        assert near.mean() > 0.75
        assert np.median(distances[known]) < 1.0
    assert found > 400


# --- keypoints ---------------------------------------------------------------------------------------------------


def test_corners_of_two_pictures(world: Path) -> None:
    root = world / "mini-spair-71k"
    notes = [json.loads(path.read_text()) for path in sorted((root / "PairAnnotation" / "test").iterdir())]
    assert len(notes) == 30
    assert {note["viewpoint_variation"] for note in notes} == {0, 1, 2}
    apart = []
    for note in notes:
        first, second = np.array(note["src_kps"], float), np.array(note["trg_kps"], float)
        assert 4 <= len(first) == len(second) == len(note["kps_ids"]) <= 30
        for end, points in (("src", first), ("trg", second)):
            left, upper, right, lower = note[f"{end}_bndbox"]
            # A corner that is sharp covers less than half a pixel at its tip.
            assert (points >= [left - 4, upper - 4]).all()
            assert (points <= [right + 4, lower + 4]).all()
        system = np.column_stack([first, np.ones(len(first))])
        affine, *_ = np.linalg.lstsq(system, second, rcond=None)
        assert np.linalg.det(affine[:2]) > 0  # turned, never mirrored
        left_over = np.linalg.norm(system @ affine - second, axis=1)
        box = note["trg_bndbox"]
        # Outlines are a little deformed, each in its own way.
        assert left_over.mean() < 0.12 * max(box[2] - box[0], box[3] - box[1])
        turn = np.degrees(np.arctan2(affine[0, 1] - affine[1, 0], affine[0, 0] + affine[1, 1]))
        apart.append((note["viewpoint_variation"], abs(turn)))
    means = [np.mean([turn for view, turn in apart if view == step]) for step in (0, 1, 2)]
    assert means[0] < 25 < means[1] < 60 < means[2]


def test_a_corner_is_where_the_outline_is(world: Path) -> None:
    root = world / "mini-spair-71k"
    contrasts, elsewhere = [], []
    for path in sorted((root / "ImageAnnotation").rglob("*.json")):
        note = json.loads(path.read_text())
        image = pixels(root / "JPEGImages" / note["category"] / note["filename"])
        for x, y in (point for point in note["kps"].values() if point is not None):
            contrasts.append(np.ptp(image[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4].mean(axis=2)))
        elsewhere.append(np.ptp(image[:7, :7].mean(axis=2)))
    assert np.median(contrasts) > 2 * np.median(elsewhere)


# --- all the way -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scores(world: Path) -> pl.DataFrame:
    """A model that nobody trained, at the sizes that the manifests say, scored on the pairs."""
    store = world / "store"
    done = extract(store, "match", *TINY, "--dataset", "mini-scannet,mini-navi,mini-spair-71k", "--device", "cpu",
                   "--workers", 0, "--json", *MANIFESTS)  # fmt: skip
    assert (done.code, done.json["pairs"], done.json["failures"]) == (0, 70, []), done.err
    out = world / "table.parquet"
    done = analyze(store, "score", "--out", out, *MANIFESTS)
    assert done.code == 0, done.err
    return pl.read_parquet(out)


def test_every_bin_has_pairs(scores: pl.DataFrame) -> None:
    bins = {
        "mini-scannet": ("recall_10px", ["view/0-15", "view/15-30", "view/30-60", "view/60-180"], 20),
        "mini-navi": ("recall_2cm", ["view/0-30", "view/30-60", "view/60-90", "view/90-120"], 20),
        "mini-spair-71k": ("pck_0.1", ["view/0", "view/1", "view/2"], 30),
    }
    for name, (metric, slices, pairs) in bins.items():
        rows = scores.filter(pl.col("dataset") == name, pl.col("metric") == metric, pl.col("variant") == "")
        n = dict(rows.select("slice", "n").rows())
        assert n["all"] == pairs
        assert sum(n[one] for one in slices) == pairs
        assert min(n[one] for one in slices) > 0
        assert rows["value"].is_between(0, 1).all()
    classes = scores.filter(pl.col("slice").str.starts_with("class/"))["slice"].unique().sort().to_list()
    assert classes == ["class/arrow", "class/boat"]


@pytest.mark.parametrize("name", ["mini-flickr30k", "mini-mscoco"])
def test_captions_find_pictures_by_chance_where_nobody_trained(name: str, world: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert extract(store, "index", name, "--root", world / name, *MANIFESTS).code == 0
    model = ("--model", "open_clip:tiny-vit", "--weights", "random:3", "--dataset", name)
    with registered(tmp_path):
        done = extract(store, "run", *model, "--kinds", "embeddings,text", "--device", "cpu", "--workers", 0,
                       *MANIFESTS)  # fmt: skip
    assert done.code == 0, done.err
    out = tmp_path / "table.parquet"
    scored = analyze(store, "score", "--out", out, *MANIFESTS)
    assert scored.code == 0, scored.err
    table = pl.read_parquet(out).filter(pl.col("metric").str.contains("recall_at"))
    found = dict(table.select("metric", "value").rows())
    n = dict(table.select("metric", "n").rows())
    assert set(found) == {f"{query}_recall_at_{k}" for query in ("image", "text") for k in (1, 5, 10)}
    assert (n["image_recall_at_5"], n["text_recall_at_5"]) == (100, 20)
    # Twenty pictures: five of them hold the right one in a quarter of all draws.
    assert 0.05 < found["image_recall_at_5"] < 0.5
    assert found["image_recall_at_1"] <= found["image_recall_at_5"] <= found["image_recall_at_10"]
