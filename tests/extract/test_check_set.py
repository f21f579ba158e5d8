"""`index --check`: what is missing or extra, against the manifest and against the store's own version."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from extract.check_set import VAL_LABELS, Comparison, _validation
from extract.layouts.imagenet_val import val_name
from tests.extract.command_line import extract
from tests.extract.official import CATALOGUE, Miniature, encoded, indexed, new_store


def compare(store: Path, dataset: str, root: Path, *more: object) -> tuple[int, dict[str, dict[str, str]]]:
    done = extract(store, "index", dataset, "--root", root, "--check", "--json", *more)
    assert done.out, done.err
    return done.code, {row["check"]: row for row in done.json}


def test_counts_and_classes_against_the_manifest(tmp_path: Path) -> None:
    names = [f"{label}/{n}.jpeg" for label in range(1000) for n in range(10) if (label, n) != (7, 3)]
    files = Miniature(tmp_path / "imagenetv2-top-images-format-val")
    data = encoded(1, ".jpeg")
    for at, name in enumerate(names):
        files.file(name, data + at.to_bytes(4, "big"))
    code, rows = compare(tmp_path / "s", "imagenet-v2-top-images", files.root)
    assert code == 5
    assert rows["samples"]["detail"].startswith("imagenet-v2-top-images: 9,999 images where 10,000 are expected")
    assert (rows["classes with images"]["result"], rows["classes with images"]["found"]) == ("equal", "1000")
    odd = rows["classes with 10 images"]
    key = CATALOGUE.labels["imagenet-1k"].keys[7]
    assert (odd["result"], odd["expected"], odd["found"], odd["detail"]) == (
        "differs",
        "1000",
        "999",
        f"others: {key} (9)",
    )
    assert (
        rows["set of images"]["result"] if "set of images" in rows else rows["store's version"]["result"] == "unknown"
    )
    # Nothing but this machine's notes was written.
    assert not (tmp_path / "s" / "datasets").exists()
    files.file("7/3.jpeg", data + b"last")
    code, rows = compare(tmp_path / "s", "imagenet-v2-top-images", files.root)
    assert (code, {row["result"] for row in rows.values()}) == (0, {"equal", "unknown"})


def test_another_copy_is_compared_image_by_image(tmp_path: Path) -> None:
    first = Miniature(tmp_path / "a" / "imagenet-r").image(*(f"n01443537/art_{n}.jpg" for n in range(4)))
    store = new_store(tmp_path)
    indexed(store, "imagenet-r", first.root)
    assert compare(store.layout.root, "imagenet-r", first.root)[1]["set of images"]["result"] == "equal"
    second = Miniature(tmp_path / "b" / "imagenet-r").image(*(f"n01443537/art_{n}.jpg" for n in range(3)))
    second.file("n01443537/art_1.jpg", encoded(77, ".jpg")).file("n01484850/art_9.jpg", encoded(78, ".jpg"))
    code, rows = compare(store.layout.root, "imagenet-r", second.root)
    assert code == 5
    assert rows["set of images"]["detail"] == (
        "missing: n01443537/art_3.jpg; extra: n01484850/art_9.jpg; other bytes: n01443537/art_1.jpg"
    )
    assert rows["samples of another class"]["result"] == "equal"
    # Compared, not indexed: the store's version is the first copy's.
    assert store.view("imagenet-r").height == 4


def table(names: list[str], labels: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"sample": names, "label": labels})


def test_names_of_the_validation_set() -> None:
    names = [f"n01440764/{val_name(n)}" for n in range(1, 50_001) if n not in (17, 42)]
    (found,) = _validation(table([*names, "n01440764/holiday.JPEG"], [0] * (len(names) + 1)))
    assert found == Comparison(
        "official names", "50000", "49999", "differs", f"missing: {val_name(17)}, {val_name(42)}; extra: holiday.JPEG"
    )
    complete = [val_name(n) for n in range(1, 50_001)]
    rows = list(_validation(table(complete, [0] * 50_000)))
    assert [row.result for row in rows] == ["equal", "differs"]
    assert rows[1].detail == "images carry other classes than the official ones: see --labels"


def test_the_official_classes_pass(tmp_path: Path) -> None:
    try:
        _, view = indexed(new_store(tmp_path), "imagenet-val", None)
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"package imagenet-x is not installed; it lists the official classes ({error})")
    rows = list(_validation(view))
    assert [(row.result, row.detail) for row in rows] == [("equal", ""), ("equal", "")]
    assert rows[1].found == VAL_LABELS[:16]
    # Two images with each other's class are noticed.
    swapped = view.with_columns(
        label=pl.when(pl.int_range(pl.len()) < 2).then(pl.col("label").reverse()).otherwise("label")
    )
    assert [row.result for row in _validation(swapped)] == ["equal", "differs"]


def test_refused_files_are_listed(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "pets").image("cat/1.jpg")
    (files.root / "cat" / "2.jpg").symlink_to("/dev/null")
    code, rows = compare(tmp_path / "s", "pets", files.root)
    assert code == 5
    assert rows["refused files"]["detail"].startswith("cat/2.jpg: a link that leaves --root")
    assert rows["samples"]["result"] == "unknown"
