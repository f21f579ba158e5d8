"""Rows of correspondence from stores made by hand: matches whose errors are known, and patches that are coordinates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from analyze.asked import Ask
from analyze.pair_bootstrap import class_mean_interval, micro_draws, recall_interval
from analyze.pair_truth import camera_of
from analyze.score import Scored, score
from cache.commits import RowFailure, Unit, write_commit
from cache.errors import IntegrityError, UsageError
from cache.image_pairs import pairs_of
from cache.key import image_id
from cache.match_rows import DEPTH_MODEL, PointMatches, depth_space, keypoint_row, matches_space, point_row
from cache.packs import write_pack
from cache.requests import Request, write_request
from cache.runs import new_run_id, write_end, write_start
from cache.segments import array_segments
from cache.spaces import Space, write_space
from cache.store import Store
from cache.views import View, write_version
from manifests.errors import AssayError
from tests.analyze.made import CATALOGUE

FOCAL, Z = 577.0, 2.0
K = [FOCAL, 0.0, 319.5, 0.0, FOCAL, 239.5, 0.0, 0.0, 1.0]
ROWS, COLUMNS = 120, 160
HOLE = np.iinfo(np.int32).min


def parent(grid: tuple[int, int] = (15, 20), variant: str = "480x640") -> Space:
    size = [480, 640] if variant == "480x640" else [800, 800]
    identity: dict[str, Any] = {
        "library": "made",
        "architecture": {"name": "coordinates"},
        "preprocess": {"ops": [{"op": "resize", "edge": "both", "size": size}]},
        "outputs": {"patches": {"grid": list(grid)}},
    }
    return Space({**identity, "variant": variant} if variant else identity, {})


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def moved(cells: int, roll: float = 0.0, forward: float = 0.0) -> list[float]:
    """Return a camera-to-world pose: as many cells to the right on a wall at 2 m, rolled by degrees."""
    pose = np.eye(4)
    turn = np.radians(roll)
    pose[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    pose[0, 3] = 4 * cells * Z / FOCAL
    pose[2, 3] = forward
    return [float(value) for value in pose.ravel()]


class Filled:
    """A store that is being filled."""

    def __init__(self, path: Path) -> None:
        self.store = Store.create(path)[0]

    def dataset(self, name: str, columns: Mapping[str, Any], size: tuple[int, int] = (640, 480)) -> View:
        samples: Sequence[str] = columns["sample"]
        images = [image_id(sample.encode()) for sample in samples]
        table = pl.DataFrame(
            {**columns, "image_id": images, "label": pl.Series([None] * len(samples), dtype=pl.Int64)}
        ).with_columns(pl.col("pairs").cast(pl.List(pl.String)))
        n = len(images)
        listed = pl.DataFrame(
            {
                "item_id": images,
                "nbytes": [1] * n,
                "width": [size[0]] * n,
                "height": [size[1]] * n,
                "format": ["PNG"] * n,
            }
        )
        with self.store.stage() as staged:
            pack = write_pack(staged, "image", listed)
            write_version(staged, name, table, "", [pack], {"layout": "made", "virtual": False})
        return self.store.version(name)

    def numbers(
        self, view: View, model: str, kind: str, space: Space, items: Sequence[str], rows: NDArray[Any],
        failures: Sequence[RowFailure] = (), verb: str = "match",
    ) -> Request:  # fmt: skip
        n = len(items)
        table = {"item_id": list(items), "nbytes": [0] * n, "width": [0] * n, "height": [0] * n, "format": ["x"] * n}
        run = new_run_id(self.store.disk)
        with self.store.stage() as staged:
            pack = (
                view.packs[0]
                if kind == "patches" and verb == "run"
                else write_pack(staged, "pair", pl.DataFrame(table))
            )
            write_space(staged, space)
            request = Request(
                verb=verb, model=model, facts={"group": "other"}, dataset=view.name, version=view.id, kinds=(kind,),
                space=space.id, label=space.label, packs=(pack,),
            )  # fmt: skip
            write_request(staged, request)
            write_start(staged, run, [request.digest], {})
            segments = list(array_segments(kind, space.id, pack, rows))
            write_commit(staged, Unit(kind, space.id, space.label, pack), segments, failures, run)
            write_end(staged, run, {})
        self.store.forget()
        return request

    def depths(self, view: View, maps: Mapping[str, NDArray[np.float32]]) -> None:
        rows = np.stack(list(maps.values()))[..., None].astype(np.float32)
        self.numbers(view, DEPTH_MODEL, "patches", depth_space("scannet"), list(maps), rows)

    def score(self, **how: Any) -> Scored:
        asked = how.pop("ask", Ask())
        return score(Store(self.store.layout.root), CATALOGUE, asked, **how)


WALL = np.full((ROWS, COLUMNS), Z, np.float32)


def wall(filled: Filled, poses: Sequence[Sequence[float]], pairs: Sequence[tuple[int, int]]) -> View:
    """Write views of a wall as ScanNet comes."""
    listed: list[list[str]] = [[] for _ in poses]
    for first, second in pairs:
        listed[first].append(json.dumps({"second": f"s{second}"}))
    n = len(poses)
    columns = {
        "sample": [f"s{at}" for at in range(n)],
        "pairs": listed,
        "intrinsics": [K] * n,
        "pose": [list(pose) for pose in poses],
        "depth_sha256": [sha("wall")] * n,
    }
    view = filled.dataset("scannet", columns)
    filled.depths(view, {sha("wall"): WALL})
    return view


def matches(off: Sequence[int], shift: int, top: int = 20) -> NDArray[np.int32]:
    """Return matches from one column of points to where they belong, so many cells off."""
    rows = np.arange(len(off)) + 20
    first = rows * COLUMNS + 100
    second = first - shift + np.asarray(off)
    d = np.full(len(off), 0.1)
    return point_row(PointMatches(first, second, d, 2 * d, np.ones(len(off), bool)), top)


def value(table: pl.DataFrame, metric: str, slice: str = "all", variant: str = "", column: str = "value") -> Any:
    rows = table.filter(pl.col("metric") == metric, pl.col("slice") == slice, pl.col("variant") == variant)
    assert rows.height == 1, table.select("metric", "slice", "variant").rows()
    return rows[column][0]


OFF = (0, 0, 0, 0, 0, 0, 1, 1, 2, 9)


@pytest.fixture
def scannet(tmp_path: Path) -> Filled:
    """Two pairs: ten matches that are 0, 4, 8 or 36 pixels off, and one right match of a rolled camera."""
    filled = Filled(tmp_path / "store")
    view = wall(filled, [moved(0), moved(5), moved(0, roll=20)], [(0, 1), (0, 2)])
    rows = np.stack([matches(OFF, 5), np.full((20, 5), -1, np.int32)])
    # The point nearest to the middle of the picture stays nearly where it is.
    middle = ROWS // 2 * COLUMNS + COLUMNS // 2
    rows[1, 0] = [middle, middle, 1, 2, 1]
    filled.numbers(
        view, "toy", "matches", matches_space(parent(), "scannet", 20), [p.item for p in pairs_of(view).pairs], rows
    )
    return filled


def test_recall_by_hand(scannet: Filled) -> None:
    done = scannet.score()
    assert (done.missing, done.failed) == ((), ())
    table = done.table
    assert set(table["protocol"]) == {"correspondence"}
    assert set(table["model"]) == {"toy"}
    assert set(table["slice"]) == {"all", "view/0-15", "view/15-30"}
    bin_ = "view/0-15"
    assert [value(table, f"recall_{px}px", bin_) for px in (5, 10, 20)] == [0.8, 0.9, 0.9]
    # 5, 10, 20 px at quarter resolution are 20, 40, 80 px.
    assert [value(table, f"recall_{px}px", bin_, "quarter-res") for px in (5, 10, 20)] == [0.9, 1.0, 1.0]
    assert value(table, "recall_5px", "view/15-30") == 1.0
    # Over all matches (8 + 1 of 11), and over pairs.
    assert value(table, "recall_5px") == pytest.approx(9 / 11)
    assert value(table, "recall_5px", "all", "macro") == pytest.approx(0.9)
    assert value(table, "recall_5px", column="n") == 2
    assert (table["lo"] <= table["value"]).all()
    assert (table["value"] <= table["hi"]).all()
    assert scannet.score().table.equals(table)


def test_only_the_surest_thousand_count(tmp_path: Path) -> None:
    filled = Filled(tmp_path / "store")
    view = wall(filled, [moved(0), moved(0)], [(0, 1)])
    points = np.arange(1500) + 2000
    second = np.where(np.arange(1500) < 1000, points, points + 40)
    row = point_row(PointMatches(points, second, np.full(1500, 0.1), np.full(1500, 0.2), np.ones(1500, bool)), 2000)
    filled.numbers(
        view, "toy", "matches", matches_space(parent(), "scannet"), [pairs_of(view).pairs[0].item], row[None]
    )
    assert value(filled.score().table, "recall_5px") == 1.0


def test_pairs_without_matches(tmp_path: Path) -> None:
    filled = Filled(tmp_path / "store")
    view = wall(filled, [moved(0), moved(5)], [(0, 1), (1, 0)])
    items = [pair.item for pair in pairs_of(view).pairs]
    rows = np.stack([matches((0,) * 10, 5, 1000), np.full((1000, 5), HOLE, np.int32)])
    failure = RowFailure(1, items[1], "decode_error", "first image: no image")
    filled.numbers(view, "toy", "matches", matches_space(parent(), "scannet", 1000), items, rows, [failure])
    done = filled.score()
    assert not done.table.height
    (said,) = done.failed
    assert "toy on scannet: 1 of 2 pairs have no matches, the first is 's1' with 's0' (decode_error: " in said
    table = filled.score(on_failure="exclude").table
    assert (value(table, "recall_5px"), value(table, "recall_5px", column="n")) == (1.0, 1)
    table = filled.score(on_failure="count-wrong").table
    assert value(table, "recall_5px", "all", "macro") == 0.5
    assert (value(table, "recall_5px", column="n"), value(table, "recall_5px", column="n_failed")) == (2, 1)
    # As if it had a thousand matches, none of them right.
    assert value(table, "recall_5px") == pytest.approx(10 / 1010)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    filled = Filled(tmp_path / "store")
    view = wall(filled, [moved(0), moved(5)], [(0, 1), (1, 0)])
    (first, _) = pairs_of(view).pairs
    space = matches_space(parent(), "scannet", 20)
    filled.numbers(view, "toy", "matches", space, [first.item], matches((0,) * 3, 5)[None])
    done = filled.score()
    assert not done.table.height
    (lack,) = done.missing
    assert str(lack) == (
        "toy on scannet: matches absent for 1 of 2 pairs. `assay-extract match --model toy --dataset scannet`"
    )
    partial = filled.score(ask=Ask(allow_partial=True))
    assert (value(partial.table, "recall_5px"), value(partial.table, "recall_5px", column="n_total")) == (1.0, 2)
    done = filled.score(ask=Ask(models=("toy",), datasets=("scannet",)))
    assert len(done.missing) == 1
    done = filled.score(ask=Ask(models=("tf_efficientnet_lite0.pypi",), datasets=("scannet", "navi")))
    assert [(one.dataset, one.kind) for one in done.missing] == [("navi", "matches"), ("scannet", "matches")]
    assert "index navi --root DIR`, then `assay-extract match" in done.missing[0].remedy


def test_geometries_are_variants_and_two_of_one_are_an_error(scannet: Filled) -> None:
    view = scannet.store.version("scannet")
    items = [pair.item for pair in pairs_of(view).pairs]
    right = np.stack([matches((0,) * 10, 5)] * 2)
    native = matches_space(parent(variant=""), "scannet", 20)
    scannet.numbers(view, "toy", "matches", native, items, right)
    table = scannet.score().table
    assert value(table, "recall_5px", "view/0-15", "native") == 1.0
    assert value(table, "recall_5px", "view/0-15") == 0.8
    other = matches_space(parent(), "scannet", 21)
    scannet.numbers(view, "toy", "matches", other, items, np.stack([matches((0,) * 10, 5, 21)] * 2))
    with pytest.raises(UsageError, match="toy on scannet was matched in two spaces of one geometry"):
        scannet.score()
    chosen = scannet.score(ask=Ask(spaces=(other.label,))).table
    assert value(chosen, "recall_5px", "view/0-15") == 1.0


def test_a_store_without_its_parts(scannet: Filled) -> None:
    root = scannet.store.layout.root
    before = scannet.score().table
    files = [path for folder in ("requests", "datasets", "packs", "spaces", "commits", "data", "runs")
             for path in sorted((root / folder).rglob("*")) if path.is_file()]  # fmt: skip
    codes: dict[Path, int] = {}
    for path in files:
        data = path.read_bytes()
        path.unlink()
        try:
            done = scannet.score()
        except AssayError as error:
            codes[path] = error.exit_code
        else:
            # A run's end tells nothing that a table needs.
            codes[path] = 3 if done.missing else 0
            assert done.missing or done.table.equals(before), path
        path.write_bytes(data)
    assert set(codes.values()) == {0, 3, 4}
    # Depths are found by what they are, and the sizes of images say nothing where points are shares of them.
    assert {path.relative_to(root).parts[0] for path, code in codes.items() if not code} == {"runs", "packs", "spaces"}
    assert scannet.score().table.equals(before)


# --- matches made here ---------------------------------------------------------------------------------------------


def coordinates(poses: Sequence[Sequence[float]], grid: tuple[int, int], noise: float = 0.0) -> NDArray[np.float16]:
    """Return patches that say where on the wall a cell is, in a code whose cosine falls with distance."""
    rows, columns = grid
    rng = np.random.default_rng(0)
    frequencies = rng.standard_normal((3, 64)) * 6
    phases = rng.uniform(0, 2 * np.pi, 64)
    found = []
    for pose in poses:
        y, x = np.mgrid[0:rows, 0:columns]
        u, v = (x + 0.5) / columns * 640 - 0.5, (y + 0.5) / rows * 480 - 0.5
        here = np.stack([(u - K[2]) * Z / FOCAL, (v - K[5]) * Z / FOCAL, np.full(u.shape, Z)], axis=-1)
        matrix = np.asarray(pose).reshape(4, 4)
        world = here @ matrix[:3, :3].T + matrix[:3, 3]
        code = np.cos(world @ frequencies + phases)
        found.append(code + noise * rng.standard_normal(code.shape))
    return np.stack(found).astype(np.float16)


def dense(
    tmp_path: Path, poses: Sequence[Sequence[float]], pairs: Sequence[tuple[int, int]], noise: float = 0.0
) -> pl.DataFrame:
    filled = Filled(tmp_path / "store")
    view = wall(filled, poses, pairs)
    images = view.table["image_id"].to_list()
    filled.numbers(view, "toy", "patches", parent((30, 40)), images, coordinates(poses, (30, 40), noise), verb="run")
    done = filled.score()
    assert (done.missing, done.failed) == ((), ())
    return done.table


def test_two_views_of_one_place(tmp_path: Path) -> None:
    table = dense(tmp_path, [moved(0), moved(0)], [(0, 1)])
    assert value(table, "recall_5px", variant="patch-grid") == 1.0
    assert value(table, "recall_5px", variant="patch-grid/macro") == 1.0


def test_features_that_are_places_find_them_again(tmp_path: Path) -> None:
    """Cells of 16 px: a camera moved by 2 cells of 16 px shows the same places, one rolled by 40 degrees others."""
    table = dense(tmp_path, [moved(0), moved(8), moved(0, roll=40)], [(0, 1), (0, 2)])
    near = value(table, "recall_5px", "view/0-15", "patch-grid")
    # Two of 40 columns are not on the second picture.
    assert near > 0.94
    # Rolled cells have no exact partner; nearest ones are within half a cell's diagonal, 11.3 px.
    assert value(table, "recall_20px", "view/30-60", "patch-grid") > 0.9
    found = [value(table, f"recall_{px}px", variant="patch-grid") for px in (5, 10, 20)]
    assert found == sorted(found)


def test_noise_is_chance(tmp_path: Path) -> None:
    table = dense(tmp_path, [moved(0), moved(0)], [(0, 1)], noise=1000.0)
    # 1,000 of 1,200 cells match at random: one cell lies within 10 px of the right one.
    assert value(table, "recall_10px", variant="patch-grid") < 0.01


# --- keypoints -----------------------------------------------------------------------------------------------------


def spair(
    filled: Filled, targets: Sequence[Sequence[Sequence[float]]], classes: Sequence[str], views: Sequence[int]
) -> View:
    samples, listed, categories = [], [], []
    for at, (points, name, step) in enumerate(zip(targets, classes, views, strict=True)):
        facts = {"second": f"{name}/{at}b", "source_points": [[1, 1]] * len(points), "target_points": points,
                 "target_box": [0, 0, 50, 20], "viewpoint_variation": step}  # fmt: skip
        samples += [f"{name}/{at}a", f"{name}/{at}b"]
        listed += [[json.dumps(facts)], []]
        categories += [name, name]
    columns = {"sample": samples, "pairs": listed, "category": categories, "keypoints": ["{}"] * len(samples)}
    return filled.dataset("spair-71k", columns, size=(80, 80))


@pytest.fixture
def keypoints(tmp_path: Path) -> Filled:
    """8 x 8 cells of 10 px and boxes of 50: allowed are 5 px. The best cell is always (3, 0), its middle is (35, 5)."""
    filled = Filled(tmp_path / "store")
    # cat: 1 of 1 found, 1 of 4 found; dog: 0 of 2.
    targets = [[[39.0, 5.0]], [[31.0, 2.0], [60, 5], [60, 5], [60, 5]], [[60.0, 5.0], [35, 70]]]
    view = spair(filled, targets, ["cat", "cat", "dog"], [0, 1, 1])
    space = matches_space(parent((8, 8), "800x800"), "spair")
    rows = np.stack([keypoint_row(np.full((len(points), 5), 3), np.full((len(points), 5), 0.5)) for points in targets])
    filled.numbers(view, "toy", "matches", space, [pair.item for pair in pairs_of(view).pairs], rows)
    return filled


def test_pck_by_hand(keypoints: Filled) -> None:
    table = keypoints.score().table
    # hpf: the mean over pairs of 1, 1/4, 0.
    assert value(table, "pck_0.1") == pytest.approx(1.25 / 3)
    assert value(table, "pck_0.1", "class/cat") == pytest.approx(0.625)
    assert value(table, "pck_0.1", "class/dog") == 0.0
    assert value(table, "pck_0.1", "view/0") == 1.0
    assert value(table, "pck_0.1", "view/1") == pytest.approx(0.125)
    # probe3d: the corner (30, 0) is 10.3 px from (39, 5) and 2.2 px from (31, 2); keypoints pooled, classes averaged.
    assert value(table, "pck_0.1", variant="probe3d") == pytest.approx((1 / 5 + 0) / 2)
    assert value(table, "pck_0.1", "view/0", "probe3d") == 0.0
    assert value(table, "pck_0.1", column="n") == 3
    assert set(table["slice"]) == {"all", "view/0", "view/1", "class/cat", "class/dog"}


def test_a_keypoint_that_the_model_does_not_see_is_not_found(tmp_path: Path) -> None:
    filled = Filled(tmp_path / "store")
    view = spair(filled, [[[5.0, 5.0], [5.0, 5.0]]], ["cat"], [0])
    space = matches_space(parent((8, 8), "800x800"), "spair")
    row = keypoint_row([[0, 1, 2, 3, 4], [-1] * 5], np.full((2, 5), 0.5))
    filled.numbers(view, "toy", "matches", space, [pairs_of(view).pairs[0].item], row[None])
    assert value(filled.score().table, "pck_0.1") == 0.5


# --- cameras and intervals -----------------------------------------------------------------------------------------


def test_no_camera() -> None:
    with pytest.raises(UsageError, match=r"s0: its columns describe no camera \(rotation: expected a proper rotation"):
        camera_of({"sample": "s0", "intrinsics": K, "pose": list(np.eye(4).ravel() * [2])}, "scannet")
    with pytest.raises(UsageError, match="describe no camera"):
        camera_of({"sample": "s0", "intrinsics": K, "pose": [0.0] * 16}, "scannet")


def test_the_bootstrap_draws_pairs() -> None:
    rng = np.random.default_rng(1)
    hits = rng.binomial(1, 0.3, 200).astype(float)
    lo, hi = recall_interval(hits, np.ones(200))
    spread = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 200)
    assert (lo, hi) == pytest.approx((hits.mean() - spread, hits.mean() + spread), abs=0.015)
    # Matches of a pair stand together: a hundred in each pair tell no more than one.
    assert recall_interval(hits * 100, np.full(200, 100.0)) == (lo, hi)
    assert recall_interval(hits, np.ones(200), seed=1) != (lo, hi)
    lo, hi = class_mean_interval([hits, np.ones(5)], [np.ones(200), np.ones(5)])
    assert lo < (hits.mean() + 1) / 2 < hi
    for bad in ([], [[1.0]], [1.0, 2.0]):
        with pytest.raises(ValueError, match="hits, counts"):
            micro_draws(bad, [1.0], np.random.default_rng(0))
    with pytest.raises(ValueError, match="counts above 0"):
        micro_draws([0.0], [0.0], np.random.default_rng(0))


def test_a_dataset_version_that_is_gone_is_an_error(scannet: Filled) -> None:
    for path in (scannet.store.layout.root / "datasets").iterdir():
        path.unlink()
    with pytest.raises(IntegrityError, match="scannet"):
        scannet.score()
