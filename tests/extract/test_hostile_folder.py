"""A folder of everything that should not be in a folder of photographs: the run ends, and says what was wrong."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cache.store import Store
from tests.extract.command_line import REPOSITORY, analyze, cache, extract
from tests.extract.pictures import draw, picture

# A process inherits the peak of the one that starts it, and the tests' own is large; so a small one stands between.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("PEAK", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
MODEL = ("--model", "timm:test_resnet", "--weights", "random:0")
LONG = "x" * 240 + ".jpg"
UNICODE = "ünïcødé 猫 \u202e.png"
GOOD = (
    "alpha-palette.png",
    "animated.gif",
    "cmyk.jpg",
    "deep-16-bit.png",
    "one-pixel.png",
    "rotated.jpg",
    "same.jpg",
    "same-again.jpg",
    LONG,
    UNICODE,
    "plain/0000.png",
    "plain/0001.jpg",
)
BAD = {
    "cut.jpg": "truncated",
    "empty.jpg": "empty",
    "text.jpg": "decode_error",
    "vast.png": "too_large",
    "will-change.png": "changed",
    "will-vanish.png": "missing",
}


def vast_png(path: Path, side: int = 30_000) -> None:
    """Write a black PNG of `side` x `side` pixels in a few kilobytes: its rows are zeros, which deflate to nothing."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + (side + 7) // 8)) for _ in range(side)) + packer.flush()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def fill_good(root: Path) -> None:
    draw(root / "plain", 2)
    picture(10).convert("CMYK").save(root / "cmyk.jpg")
    Image.fromarray(np.arange(48 * 40, dtype=np.uint16).reshape(40, 48) * 30).save(root / "deep-16-bit.png")
    picture(11).convert("P", palette=Image.Palette.ADAPTIVE).save(root / "alpha-palette.png", transparency=3)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(12).save(root / "rotated.jpg", exif=exif)
    picture(13).save(root / "animated.gif", save_all=True, append_images=[picture(14), picture(15)])
    Image.new("RGB", (1, 1), (7, 8, 9)).save(root / "one-pixel.png")
    picture(16).save(root / "same.jpg")
    (root / "same-again.jpg").write_bytes((root / "same.jpg").read_bytes())
    picture(17).save(root / LONG)
    picture(18).save(root / UNICODE)


def fill_bad(root: Path, outside: Path) -> None:
    picture(20, (400, 300)).save(root / "cut.jpg")
    (root / "cut.jpg").write_bytes((root / "cut.jpg").read_bytes()[:-200])
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("This is not a photograph.\n" * 20)
    vast_png(root / "vast.png")
    picture(21).save(root / "will-change.png")
    picture(22).save(root / "will-vanish.png")
    outside.mkdir()
    picture(23).save(outside / "private.jpg")
    (root / "link.jpg").symlink_to(outside / "private.jpg")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The store after the run, what the run said, and the most memory that it took."""
    folder = tmp_path_factory.mktemp("hostile")
    root, store = folder / "photos", folder / "store"
    root.mkdir()
    fill_good(root)
    fill_bad(root, folder / "outside")
    (folder / "classes.txt").write_text("first\nsecond\n")
    labels = ["file,label"] + [
        f"{name},{('first', 'second')[at % 2]}" for at, name in enumerate([*GOOD, *BAD, "link.jpg"])
    ]
    (folder / "labels.csv").write_text("\n".join(labels) + "\n", "utf-8")
    indexed = extract(
        store, "index", "photos", "--root", root, "--labels", folder / "labels.csv", "--pack-size", 8, "--json"
    )
    # Between index and run: one file becomes another picture, one goes.
    picture(30).save(root / "will-change.png")
    (root / "will-vanish.png").unlink()
    command = [sys.executable, "-m", "extract", "run", *MODEL, "--classes", str(folder / "classes.txt"),
               "--dataset", "photos", "--kinds", "logits,embeddings", "--batch-size", "4", "--workers", "2",
               "--json", "--store", str(store)]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    return {
        "store": store,
        "root": root,
        "indexed": indexed,
        "code": done.returncode,
        "out": done.stdout.rpartition("PEAK ")[0],
        "err": done.stderr,
        # Linux counts kilobytes, macOS bytes.
        "peak": int(done.stdout.rpartition("PEAK ")[2]) * (1 if sys.platform == "darwin" else 1024),
        "classes": folder / "classes.txt",
    }


def test_the_index_takes_every_file_and_refuses_the_link(hostile: Any) -> None:
    assert hostile["indexed"].code == 5
    row = hostile["indexed"].json
    assert (row["samples"], row["images"]) == (len(GOOD) + len(BAD), len(GOOD) + len(BAD) - 1)
    assert [item["sample"] for item in row["refused"]] == ["link.jpg"]


def test_the_run_ends_with_5_and_lists_each_file_and_why(hostile: Any) -> None:
    assert hostile["code"] == 5, hostile["err"]
    said = pl.DataFrame(json.loads(hostile["out"])["failures"])
    assert dict(zip(said["sample"], said["status"], strict=True)) == BAD
    assert all(said["detail"].str.len_chars() > 5)
    for name, status in BAD.items():
        assert re.search(rf"^{re.escape(name)}: {status} \(.+\)$", hostile["err"], re.MULTILINE), hostile["err"]


def test_memory_stays_below_two_gigabytes(hostile: Any) -> None:
    assert hostile["peak"] < 2e9
    # The picture that would have taken them is in the folder.
    assert struct.unpack(">II", (hostile["root"] / "vast.png").read_bytes()[16:24]) == (30_000, 30_000)


def test_rows_stand_where_their_images_do(hostile: Any, tmp_path: Path) -> None:
    """The same good files alone in a folder give the same numbers, name by name."""
    clean = tmp_path / "clean"
    clean.mkdir()
    fill_good(clean)
    done = extract(
        tmp_path / "store", "run", "--root", clean, *MODEL, "--classes", hostile["classes"], "--batch-size", 4
    )
    assert done.code == 0, done.err
    dirty, alone = Store(hostile["store"]), Store(tmp_path / "store")
    view, clean_view = dirty.view("photos"), alone.view("clean")
    assert sorted(clean_view["sample"]) == sorted(GOOD)
    for kind in ("logits", "embeddings"):
        rows = dict(zip(view["sample"], dirty.rows(kind, "timm:test_resnet", view["image_id"].to_list()), strict=True))
        expected = alone.rows(kind, "timm:test_resnet", clean_view["image_id"].to_list())
        for name, row in zip(clean_view["sample"], expected, strict=True):
            np.testing.assert_allclose(rows[name], row, rtol=1e-4, atol=1e-5, err_msg=name)
        assert all(np.isnan(rows[name]).all() for name in BAD)
        # Different pictures do give different rows, else the comparison would say nothing.
        assert len({row.tobytes() for name, row in rows.items() if name in GOOD}) == len(GOOD) - 1
        assert rows["same.jpg"].tobytes() == rows["same-again.jpg"].tobytes()


def test_the_store_is_sound_and_its_status_counts_the_failures(hostile: Any) -> None:
    assert cache(hostile["store"], "check", "--read-data").code == 0
    rows = extract(hostile["store"], "status", "--json").json
    assert {(row["kind"], row["here"], row["failed_images"]) for row in rows} == {
        ("logits", 3, len(BAD)),
        ("embeddings", 3, len(BAD)),
    }


def metrics(store: Path, policy: str, out: Path) -> dict[str, dict[str, Any]]:
    done = analyze(store, "score", "--on-failure", policy, "--out", out)
    assert done.code == 0, done.err
    return {row["metric"]: row for row in pl.read_csv(out).iter_rows(named=True)}


def test_score_asks_what_to_do_with_failures(hostile: Any, tmp_path: Path) -> None:
    refused = analyze(hostile["store"], "score", "--out", tmp_path / "s.csv")
    assert refused.code == 5
    assert f"{len(BAD)} of {len(GOOD) + len(BAD)} images have no numbers" in refused.err
    assert "--on-failure exclude" in refused.err
    assert pl.read_csv(tmp_path / "s.csv").height == 0

    store = Store(hostile["store"])
    view = store.view("photos")
    predicted = store.rows("logits", "timm:test_resnet", view["image_id"].to_list()).argmax(1)
    good = np.array([name in GOOD for name in view["sample"]])
    hits = int((predicted == view["label"].to_numpy())[good].sum())
    assert 0 < hits < len(GOOD)

    without = metrics(hostile["store"], "exclude", tmp_path / "e.csv")["accuracy_top1"]
    assert (without["value"], without["n"]) == (pytest.approx(hits / len(GOOD)), len(GOOD))
    assert (without["n_total"], without["n_failed"]) == (len(GOOD) + len(BAD), len(BAD))
    wrong = metrics(hostile["store"], "count-wrong", tmp_path / "w.csv")["accuracy_top1"]
    assert (wrong["value"], wrong["n"]) == (pytest.approx(hits / (len(GOOD) + len(BAD))), len(GOOD) + len(BAD))


def test_healed_files_are_extracted_after_another_index(hostile: Any, tmp_path: Path) -> None:
    """The picture that changed is another image now; indexing again brings it in, and only it is computed."""
    store = tmp_path / "store"
    shutil.copytree(hostile["store"], store)
    indexed = extract(store, "index", "photos", "--root", hostile["root"], "--json")
    assert (indexed.json["hashed"], indexed.json["samples"]) == (1, len(GOOD) + len(BAD) - 1)
    ran = extract(store, "run", *MODEL, "--classes", hostile["classes"], "--dataset", "photos", "--json")
    assert (ran.json["units"], ran.json["images"], ran.json["failures"]) == (1, 1, [])
    # The others are what they were, and a run over them says so each time.
    assert ran.code == 5
    assert {row["sample"] for row in ran.json["failures_before"]} < set(BAD)
    image = dict(zip(*(Store(store).view("photos")[name] for name in ("sample", "image_id")), strict=True))[
        "will-change.png"
    ]
    assert np.isfinite(Store(store).rows("logits", "timm:test_resnet", [image])).all()
