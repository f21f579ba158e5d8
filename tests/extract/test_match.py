"""`assay-extract match` end to end: real photographs, true correspondences by construction, real and random models."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cache.image_pairs import pairs_of
from cache.match_rows import point_matches
from cache.reader import Reader
from cache.store import Store
from tests.extract.command_line import analyze, cache, extract
from tests.extract.pair_scenes import Crop, navi, photographs, scannet, spair
from tests.extract.tiny_open_clip import registered

LITE0 = ("--model", "tf_efficientnet_lite0.pypi")
FAST = ("--device", "cpu", "--workers", 0)
SHIFT = (Crop(), Crop(56.0, 48.0))
SAME = (Crop(), Crop())


@pytest.fixture(scope="module", autouse=True)
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("configs")):
        yield


def scored(store: Path, *more: object, code: int = 0) -> pl.DataFrame:
    out = store.parent / "table.parquet"
    done = analyze(store, "score", "--out", out, *more)
    assert done.code == code, done.err
    return pl.read_parquet(out)


def values(table: pl.DataFrame, metric: str, **where: str) -> float:
    chosen = {"slice": "all", "variant": "", **where}
    rows = table.filter(pl.col("metric") == metric, *(pl.col(name) == value for name, value in chosen.items()))
    assert rows.height == 1, (metric, chosen, table.select("metric", "slice", "variant", "model").rows())
    assert rows["lo"][0] <= rows["value"][0] <= rows["hi"][0]
    return float(rows["value"][0])


def chunk(folder: Path) -> Path:
    """Return a file of numbers."""
    return next(path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "zarr.json")


@pytest.fixture(scope="module")
def rooms(shared: Path, lite: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs as ScanNet comes: a copy, the camera moved sideways, the camera moved closer; matched by lite0."""
    folder = tmp_path_factory.mktemp("rooms")
    closer = (Crop(20.0, 20.0, 1.25), Crop(60.0, 50.0, 1.0))
    scannet(folder / "scannet", photographs(shared, 3), [SAME, SHIFT, closer])
    store = folder / "store"
    assert extract(store, "index", "scannet", "--root", folder / "scannet").code == 0
    done = extract(store, "match", *LITE0, "--dataset", "scannet", "--pack-size", 2, "--top", 1500, *FAST, "--json")
    assert done.code == 0, done.err
    # The copy is one image, and pictures at one distance have one depth map.
    assert {name: done.json[name] for name in ("units", "pairs", "images", "depths", "failures")} == {
        "units": 2 + 1, "pairs": 3, "images": 5, "depths": 2, "failures": [],
    }  # fmt: skip
    return store


def test_a_moved_camera(rooms: Path) -> None:
    table = scored(rooms)
    assert set(table["protocol"]) == {"correspondence"}
    assert set(table["metric"]) == {"recall_5px", "recall_10px", "recall_20px"}
    # Flat pictures and no rotation: all in the first bin.
    assert set(table["slice"]) == {"all", "view/0-15"}
    assert set(table["n"]) == {3}
    # A stride of 32 pixels at 480 x 640, on photographs seen twice: most matches lie within a cell.
    assert values(table, "recall_20px") > 0.5
    for variant in ("", "macro", "quarter-res", "quarter-res/macro"):
        found = [values(table, f"recall_{px}px", variant=variant) for px in (5, 10, 20)]
        assert found == sorted(found)
    # 5 px at quarter resolution are 20 px of the image.
    assert values(table, "recall_5px", variant="quarter-res") == values(table, "recall_20px")


def test_stored_matches(rooms: Path) -> None:
    store = Store(rooms)
    (request,) = [one for one in store.requests().live if one.kinds == ("matches",)]
    space = store.space(request.label)
    assert space.identity["geometry"] == "480x640"
    assert (request.verb, len(request.packs)) == ("match", 2)
    reader = Reader(store)
    pairs = pairs_of(store.version("scannet")).pairs
    assert [pair.item for pair in pairs] == [item for pack in request.packs for item in reader.pack(pack).items]
    rows = reader.rows("matches", space, [pair.item for pair in pairs])
    assert rows.shape == (3, 1500, 5)
    copy = point_matches(rows[0])
    # A copy: every point finds itself, exactly, and the sure ones find nothing else.
    assert (copy.first[:1000] == copy.second[:1000]).all()
    assert copy.mutual[:1000].all()
    assert copy.distance[:1000].max() < 1e-5
    weights = 1 - copy.distance / copy.runner_up
    assert (np.diff(weights) <= 1e-6).all()


def test_nothing_is_done_twice_and_an_interrupted_match_goes_on(rooms: Path, tmp_path: Path) -> None:
    shutil.copytree(rooms, tmp_path / "store")
    store = tmp_path / "store"
    match = ("match", *LITE0, "--dataset", "scannet", "--pack-size", 2, "--top", 1500, *FAST)
    before = scored(store)
    again = extract(store, *match, "--json")
    assert (again.code, again.json["units"], again.json["run"]) == (0, 0, "")
    records = sorted((store / "commits/matches").rglob("*.json"))
    records[0].unlink()
    missing = analyze(store, "score")
    assert missing.code == 3
    assert "assay-extract match --model tf_efficientnet_lite0.pypi --dataset scannet" in missing.err
    assert extract(store, *match, "--json").json["units"] == 1
    assert scored(store).equals(before)
    # The data are gone and the record is here.
    chunk(store / "data/matches").unlink()
    assert analyze(store, "score").code == 3
    assert extract(store, *match).code == 3
    assert cache(store, "repair").code == 0
    assert extract(store, *match, "--json").json["units"] == 1
    assert scored(store).equals(before)


@pytest.mark.parametrize("kind", ["matches", "patches"])
def test_a_flipped_byte_is_an_error(kind: str, rooms: Path, tmp_path: Path) -> None:
    shutil.copytree(rooms, tmp_path / "store")
    file = chunk(tmp_path / "store/data" / kind)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    assert analyze(tmp_path / "store", "score").code == 4


def test_depths_gone_are_missing_and_come_back(rooms: Path, tmp_path: Path) -> None:
    shutil.copytree(rooms, tmp_path / "store")
    store = tmp_path / "store"
    before = scored(store)
    shutil.rmtree(store / "commits/patches")
    done = analyze(store, "score")
    assert done.code == 3
    assert "depths absent for 2 of 2 depth files" in done.err
    match = ("match", *LITE0, "--dataset", "scannet", "--pack-size", 2, "--top", 1500, *FAST)
    assert extract(store, *match, "--json").json["depths"] == 2
    assert scored(store).equals(before)


def test_stored_patches_give_the_same_matches_without_a_pass(rooms: Path, tmp_path: Path) -> None:
    shutil.copytree(rooms, tmp_path / "store")
    store = tmp_path / "store"
    before = scored(store)
    run = extract(store, "run", *LITE0, "--dataset", "scannet", "--kinds", "patches", "--geometry", "480x640",
                  "--batch-size", 1, "--device", "cpu", "--workers", 0)  # fmt: skip
    assert run.code == 0, run.err
    shutil.rmtree(store / "commits/matches")
    shutil.rmtree(store / "data/matches")
    done = extract(store, "match", *LITE0, "--dataset", "scannet", "--pack-size", 2, "--top", 1500, *FAST, "--json")
    assert (done.code, done.json["images"], done.json["pairs"]) == (0, 0, 3), done.err
    after = scored(store)
    for column in ("value", "lo", "hi"):
        np.testing.assert_allclose(after[column], before[column], atol=0.02)
    assert after.drop("value", "lo", "hi", "inputs").equals(before.drop("value", "lo", "hi", "inputs"))


def test_a_turned_object_as_navi_comes(shared: Path, lite: tuple[str, ...], tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    navi(tmp_path / "navi", photographs(shared, 1)[0], 45.0, pairs)
    store = tmp_path / "store"
    assert extract(store, "index", "navi", "--root", tmp_path / "navi", "--annotations", pairs).code == 0
    done = extract(store, "match", *LITE0, "--dataset", "navi", *FAST, "--json")
    assert (done.code, done.json["failures"]) == (0, []), done.err
    table = scored(store)
    assert set(table["slice"]) == {"all", "view/30-60"}
    assert {"recall_1cm", "recall_2cm", "recall_5cm", "recall_5px", "recall_25px", "recall_50px"} == set(
        table["metric"]
    )
    for unit, sizes in (("cm", (1, 2, 5)), ("px", (5, 25, 50))):
        found = [values(table, f"recall_{size}{unit}") for size in sizes]
        assert found == sorted(found)
    assert values(table, "recall_2cm") == values(table, "recall_2cm", slice="view/30-60", variant="macro")


def test_the_true_turn_brings_points_together(tmp_path: Path, shared: Path) -> None:
    """The geometry alone: a point and its place in the turned picture are one point of the object."""
    from analyze.pair_truth import PairTruth

    pairs = tmp_path / "pairs.txt"
    navi(tmp_path / "navi", photographs(shared, 1)[0], 90.0, pairs)
    assert extract(tmp_path / "store", "index", "navi", "--root", tmp_path / "navi", "--annotations", pairs).code == 0
    view = Store(tmp_path / "store").version("navi")
    (pair,) = pairs_of(view).pairs
    truth = PairTruth(view.table.to_dicts(), "navi", lambda row: np.full((128, 128), 0.5))
    assert truth.angle(pair) == pytest.approx(90.0)
    first = np.array([[0.5, 0.25], [0.3, 0.6]])
    # A quarter turn clockwise of the picture: (x, y) -> (1 - y, x).
    second = np.stack([1 - first[:, 1], first[:, 0]], axis=1)
    metres, pixels = truth.errors(pair, first, second)
    np.testing.assert_allclose(metres, 0, atol=1e-9)
    np.testing.assert_allclose(pixels, 0, atol=1e-6)


@pytest.fixture(scope="module")
def parts(shared: Path, lite: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    closer = (Crop(20.0, 20.0, 1.25), Crop(70.0, 60.0, 1.0))
    spair(folder / "SPair-71k", photographs(shared, 4), [SAME, SHIFT, closer, SHIFT], [0, 1, 2, 1])
    store = folder / "store"
    assert extract(store, "index", "spair-71k", "--root", folder / "SPair-71k").code == 0
    done = extract(store, "match", *LITE0, "--dataset", "spair-71k", *FAST, "--json")
    assert (done.code, done.json["pairs"], done.json["depths"]) == (0, 4, 0), done.err
    return store


def test_keypoints_of_crops(parts: Path) -> None:
    table = scored(parts)
    assert set(table["metric"]) == {"pck_0.1"}
    assert set(table["variant"]) == {"", "probe3d"}
    assert set(table["slice"]) == {"all", "view/0", "view/1", "view/2", "class/cat", "class/dog"}
    # 20 pixels allowed, and cells of 13 x 10: the photographs are the same, so most parts are found.
    assert values(table, "pck_0.1", slice="view/0") == 1.0
    assert values(table, "pck_0.1") > 0.8
    # Nine keypoints in every pair, two pairs in every class: here the two ways of pooling can differ in the rule only.
    mean = (values(table, "pck_0.1", slice="class/cat") + values(table, "pck_0.1", slice="class/dog")) / 2
    assert values(table, "pck_0.1") == pytest.approx(mean)


def test_stored_patches_are_matched_on_the_laptop(parts: Path, tmp_path: Path) -> None:
    """Keypoints have the same candidates either way, so the same answers."""
    shutil.copytree(parts, tmp_path / "store")
    store = tmp_path / "store"
    before = scored(store)
    run = extract(store, "run", *LITE0, "--dataset", "spair-71k", "--kinds", "patches", "--geometry", "800x800",
                  "--batch-size", 8, "--device", "cpu", "--workers", 0)  # fmt: skip
    assert run.code == 0, run.err
    (request,) = [one for one in Store(store).requests().live if one.verb == "match"]
    assert cache(store, "retire", request.digest[:16]).code == 0
    after = scored(store)
    keys = ["metric", "slice", "variant", "value", "n"]
    assert after.select(keys).equals(before.select(keys))


def test_stored_patches_of_a_scene_are_matched_on_the_laptop(rooms: Path, tmp_path: Path) -> None:
    shutil.copytree(rooms, tmp_path / "store")
    store = tmp_path / "store"
    assert extract(store, "run", "--model", "timm:test_resnet", "--weights", "random:0", "--dataset", "scannet",
                   "--kinds", "patches", "--geometry", "480x640", *FAST).code == 0  # fmt: skip
    # Logits of the model's own size lie in another space beside them.
    assert extract(store, "run", "--model", "timm:test_resnet", "--weights", "random:0", "--dataset", "scannet",
                   "--kinds", "logits", *FAST).code == 0  # fmt: skip
    table = scored(store, "--model", "timm:test_resnet", "--dataset", "scannet")
    assert set(table["variant"]) == {
        f"patch-grid{more}" for more in ("", "/macro", "/quarter-res", "/quarter-res/macro")
    }
    found = [values(table, f"recall_{px}px", variant="patch-grid/quarter-res") for px in (5, 10, 20)]
    assert found == sorted(found)


@pytest.mark.parametrize("size", [1, 2])
def test_the_other_lites(size: int, parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "store")
    model = f"tf_efficientnet_lite{size}.pypi"
    done = extract(tmp_path / "store", "match", "--model", model, "--dataset", "spair-71k", "--geometry", "512x512",
                   *FAST, "--json")  # fmt: skip
    assert (done.code, done.json["failures"]) == (0, []), done.err
    table = scored(tmp_path / "store", "--model", model)
    assert values(table, "pck_0.1", slice="view/0", variant="512x512") == 1.0
    assert values(table, "pck_0.1", variant="512x512") > 0.6


@pytest.mark.parametrize(
    ("arch", "size"), [("tiny-vit", "256x320"), ("tiny-resnet", "512x640"), ("tiny-convnext", "512x640")]
)
def test_a_small_random_clip(arch: str, size: str, parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "store")
    store = tmp_path / "store"
    model = f"open_clip:{arch}"
    done = extract(store, "match", "--model", model, "--weights", "random:3", "--dataset", "spair-71k",
                   "--geometry", size, *FAST, "--json")  # fmt: skip
    assert (done.code, done.json["failures"]) == (0, []), done.err
    table = scored(store, "--model", model)
    assert set(table["variant"]) == {size, f"{size}/probe3d"}
    # Keypoints are the middles of cells, so that even without training a copy is found.
    assert values(table, "pck_0.1", slice="view/0", variant=size) == 1.0


def test_batches_do_not_change_matches(parts: Path, tmp_path: Path) -> None:
    model = ("--model", "open_clip:tiny-vit", "--weights", "random:3", "--geometry", "128x160")
    tables: list[Any] = []
    for size in (1, 5):
        store = tmp_path / str(size)
        shutil.copytree(parts, store)
        assert extract(store, "match", *model, "--dataset", "spair-71k", "--batch-size", size, *FAST).code == 0
        tables.append(scored(store, "--model", "open_clip:tiny-vit"))
    assert tables[0].drop("inputs").equals(tables[1].drop("inputs"))


def test_an_unreadable_image_is_a_failed_pair(shared: Path, tmp_path: Path) -> None:
    root = spair(tmp_path / "set", photographs(shared, 2), [SAME, SHIFT], [0, 1]).root
    (root / "JPEGImages/dog/2008_000003.jpg").write_bytes(b"\xff\xd8\xff not an image")
    store = tmp_path / "store"
    assert extract(store, "index", "spair-71k", "--root", root).code == 0
    model = ("--model", "timm:test_resnet", "--weights", "random:0", "--geometry", "160x160", "--dataset", "spair-71k")
    done = extract(store, "match", *model, *FAST, "--json")
    assert (done.code, len(done.json["failures"])) == (5, 1)
    refused = analyze(store, "score")
    assert refused.code == 5
    assert "1 of 2 pairs have no matches" in refused.err
    left = scored(store, "--on-failure", "exclude").filter(pl.col("slice") == "all", pl.col("variant") == "160x160")
    wrong = scored(store, "--on-failure", "count-wrong").filter(
        pl.col("slice") == "all", pl.col("variant") == "160x160"
    )
    assert (left["n"][0], wrong["n"][0], wrong["n_failed"][0]) == (1, 2, 1)
    assert wrong["value"][0] == left["value"][0] / 2


def test_what_match_refuses(small: Path, parts: Path) -> None:
    model = ("--model", "timm:test_resnet", "--weights", "random:0")
    done = extract(small, "match", *model, "--dataset", "insects", *FAST)
    assert done.code == 2
    assert "it lists no pairs of images" in done.err
    done = extract(small, "match", *model, *FAST)
    assert done.code == 2
    assert "nothing to match" in done.err
    assert extract(small, "match", *model, "--top", 0).code == 2
    named = analyze(parts, "score", "--model", "tf_efficientnet_lite1.pypi", "--dataset", "spair-71k")
    assert named.code == 3
    assert "assay-extract match --model tf_efficientnet_lite1.pypi --dataset spair-71k" in named.err


def test_an_image_that_relies_on_exif_is_a_failed_pair(shared: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    root = navi(tmp_path / "navi", photographs(shared, 1)[0], 45.0, pairs).root
    notes = root / "thing/wild_set/annotations.json"
    notes.write_text(notes.read_text().replace("[240, 240]", "[320, 240]"))
    for name in ("000", "001"):
        with Image.open(root / f"thing/wild_set/images/{name}.jpg") as image:
            lying = image.resize((320, 240) if name == "001" else (240, 320))
        lying.save(root / f"thing/wild_set/images/{name}.jpg", "PNG")
    store = tmp_path / "store"
    assert extract(store, "index", "navi", "--root", root, "--annotations", pairs).code == 0
    model = ("--model", "timm:test_resnet", "--weights", "random:0", "--geometry", "160x160")
    done = extract(store, "match", *model, "--dataset", "navi", *FAST, "--json")
    assert done.code == 5
    (failure,) = done.json["failures"]
    assert failure["status"] == "wrong_size"
    assert "320 x 240 pixels, its camera is for 240 x 320" in failure["detail"]


def test_the_order_of_a_folder_does_not_change_the_pairs(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "navi_v1"
    for name in ("b_thing", "a_thing"):
        files = navi(tmp_path / name, photographs(shared, 1)[0], 45.0, tmp_path / "pairs.txt").root
        shutil.copytree(files / "thing", root / name)
        shutil.copytree(files / "thing/wild_set", root / name / "multiview_00")
    assert extract(tmp_path / "first", "index", "navi", "--root", root).code == 0
    scandir = os.scandir

    @contextlib.contextmanager
    def backwards(path: Any) -> Iterator[Any]:
        with scandir(path) as found:
            yield iter(sorted(found, key=lambda entry: entry.name, reverse=True))

    monkeypatch.setattr(os, "scandir", backwards)
    assert extract(tmp_path / "second", "index", "navi", "--root", root).code == 0
    lists = [
        [pair.item for pair in pairs_of(Store(tmp_path / name).version("navi")).pairs] for name in ("first", "second")
    ]
    assert lists[0] == lists[1]
    assert len(lists[0]) == 1


def test_a_study_names_what_to_match(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "store")
    done = extract(tmp_path / "store", "match", "--study", "holistic", "--dataset", "navi", *FAST, "--offline")
    assert done.code == 3
    assert "not indexed yet: navi" in done.err
    assert extract(tmp_path / "store", "match", "--study", "closer-look", *FAST).code == 2


def test_check_finds_nothing_wrong(rooms: Path, parts: Path) -> None:
    for store in (rooms, parts):
        done = cache(store, "check", "--read-data")
        assert done.code == 0, done.out + done.err
