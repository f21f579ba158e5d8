"""ImageNet-X from the real package, in its three readings: listed, over images, and one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cache.key import image_id, virtual_id
from cache.store import Store
from extract.layouts.annotation_file import IMAGENET_X
from extract.layouts.imagenet_val import val_name
from manifests.errors import UsageError
from tests.extract.command_line import REPOSITORY, extract
from tests.extract.official import CATALOGUE, Miniature, encoded, indexed, new_store

FACTORS = CATALOGUE.factors["imagenet-x"]

# Protocols, 2.2: top factor, top factor without prototypes, every factor.
COUNTS = {
    "imagenet-x": (48_868, [16080, 15441, 6571, 6476, 1473, 696, 678, 614, 286, 157, 125, 78, 61, 45, 45, 40]),
    "imagenet-x-library": (46_110, [15064, 14751, 5972, 6150, 1450, 679, 638, 585, 282, 150, 122, 78, 60, 43, 44, 40]),
    "imagenet-x-multi": (
        48_868,
        [42525, 37555, 16859, 13659, 2935, 1937, 1592, 3732, 902, 408, 521, 217, 107, 628, 96, 1872],
    ),
}
ORDER = (
    *("pose", "background", "pattern", "color", "smaller", "shape", "partial_view", "subcategory"),
    *("texture", "larger", "darker", "object_blocking", "person_blocking", "style", "brighter", "multiple_objects"),
)


@pytest.fixture
def package() -> None:
    try:
        metadata.distribution(IMAGENET_X)
    except metadata.PackageNotFoundError:
        pytest.skip("package imagenet-x is not installed; it holds the annotations (CC BY-NC 4.0)")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("dataset", COUNTS)
def test_counts_of_all_factors_without_any_image(dataset: str, tmp_path: Path) -> None:
    rows, counts = COUNTS[dataset]
    store = new_store(tmp_path)
    report, view = indexed(store, dataset, None)
    assert (report.samples, report.images, report.labelled, report.hashed) == (rows, rows, rows, 0)
    assert report.note == ""
    said = {"labels", "metaclass", "metaclass_unseen"}
    assert set(view.columns) == {"sample", "image_id", "label", *said, *FACTORS.factors}
    # Of one class there is no image; its metaclass is told by the others of that.
    told = {*view["label"], *view["metaclass_unseen"].explode().drop_nulls()}
    assert (told, view["label"].n_unique()) == (set(range(1000)), 999)
    assert set(view["metaclass"]) == {*FACTORS.metaclasses, "other"}
    # One metaclass a class; image number 2 is a mountain, or a volcano's.
    assert view.group_by("label").agg(pl.col("metaclass").n_unique())["metaclass"].max() == 1
    second = view.filter(sample=val_name(2))
    assert second.height == 0 or second["labels"].to_list() == [[970, 795]]
    assert {view.schema[factor] for factor in ORDER} == {pl.Boolean}
    assert [int(view[factor].sum()) for factor in ORDER] == counts
    assert store.version(dataset).facts["virtual"] is True
    # Known rows: two images without any factor; the first image number of all, a sea snake's.
    none = view.filter(~pl.any_horizontal(ORDER))
    assert sorted(none["sample"]) == ["ILSVRC2012_val_00007699.JPEG", "ILSVRC2012_val_00026228.JPEG"]
    first = view.row(0, named=True)
    assert (first["sample"], first["label"]) == (val_name(1), 65)
    assert first["image_id"] == virtual_id("imagenet-val", val_name(1))


@pytest.mark.usefixtures("package")
def test_the_package_is_never_imported(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom tests.extract.official import indexed, new_store\n"
        "indexed(new_store(Path(sys.argv[1])), 'imagenet-x', None)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('imagenet_x', 'torch', 'pandas')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


# --- a few annotated images, by hand -------------------------------------------------------------------------------


def annotations(folder: Path, rows: list[dict[str, Any]], prototypes: tuple[int, ...] = ()) -> Path:
    folder.mkdir(exist_ok=True)
    text = "\n".join(
        json.dumps(dict.fromkeys(FACTORS.factors, 0) | {"justification": "", "one_word": ""} | row) for row in rows
    )
    for name in ("imagenet_x_val_top_factor.jsonl", "imagenet_x_val_multi_factor.jsonl"):
        (folder / name).write_text(text)
    (folder / "prototypical_paths.csv").write_text("file_name\n" + "\n".join(val_name(n) for n in prototypes))
    return folder


ROWS = [
    {"file_name": val_name(10), "class": 332, "pose": 1},
    {"file_name": val_name(9), "class": 674, "larger": 1},
    {"file_name": val_name(2), "class": 970},
]
WNIDS = {2: "n09193705", 9: "n03794056", 10: "n02328150"}


def val(root: Path, numbers: tuple[int, ...] = (2, 9, 10), flat: bool = False) -> Path:
    files = Miniature(root)
    for number in numbers:
        files.file(val_name(number) if flat else f"{WNIDS[number]}/{val_name(number)}", encoded(number, ".jpg"))
    return files.root


@pytest.mark.parametrize("flat", [False, True])
def test_samples_are_file_names_whatever_the_folders(flat: bool, tmp_path: Path) -> None:
    said = annotations(tmp_path / "said", ROWS, prototypes=(9,))
    root = val(tmp_path / "val", flat=flat)
    _, view = indexed(new_store(tmp_path), "imagenet-x", root, annotations=said)
    assert view.select("sample", "image_id", "label", "pose", "larger").rows() == [
        (val_name(2), image_id(encoded(2, ".jpg")), 970, False, False),
        (val_name(9), image_id(encoded(9, ".jpg")), 674, False, True),
        (val_name(10), image_id(encoded(10, ".jpg")), 332, True, False),
    ]
    _, library = indexed(new_store(tmp_path), "imagenet-x-library", root, annotations=said)
    assert library["sample"].to_list() == [val_name(2), val_name(10)]
    assert not {"labels", "metaclass"} & set(view.columns), "the folder holds no file that tells them"


def test_folder_and_annotated_class_must_agree(tmp_path: Path) -> None:
    said = annotations(tmp_path / "said", ROWS)
    root = Miniature(tmp_path / "val").image(f"n01440764/{val_name(2)}").root
    with pytest.raises(
        UsageError, match=f"{val_name(2)}: its columns contradict each other .*class 970, wnid 'n01440764' is class 0"
    ):
        indexed(new_store(tmp_path), "imagenet-x", root, annotations=said)


def test_over_an_indexed_validation_set_it_costs_nothing(tmp_path: Path) -> None:
    """No --root, no hash, no pack of its own."""
    store = new_store(tmp_path)
    first, _ = indexed(store, "imagenet-val", val(tmp_path / "val"))
    report, view = indexed(store, "imagenet-x", None, annotations=annotations(tmp_path / "said", ROWS))
    assert (report.hashed, report.packs, report.new) == (0, 1, True)
    assert store.version("imagenet-x").packs == store.version("imagenet-val").packs
    assert view["image_id"].to_list() == [image_id(encoded(n, ".jpg")) for n in (2, 9, 10)]
    assert store.version("imagenet-x").facts["virtual"] is False
    assert "virtual_id" not in view.columns
    assert first.refused == report.refused == ()


def test_what_the_validation_set_here_lacks_is_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    indexed(store, "imagenet-val", val(tmp_path / "val", (2,)))
    report, view = indexed(store, "imagenet-x", None, annotations=annotations(tmp_path / "said", ROWS))
    assert view["sample"].to_list() == [val_name(2)]
    (refused,) = report.refused
    assert (refused.sample, refused.why) == (val_name(9), "imagenet-val in this store lacks it, nor has it 1 more")


def test_listed_first_and_indexed_later(tmp_path: Path) -> None:
    """Numbers ingested for listed images are found again through the column `virtual_id`."""
    said = annotations(tmp_path / "said", ROWS)
    store = new_store(tmp_path)
    _, listed = indexed(store, "imagenet-x", None, annotations=said)
    listed_packs = store.version("imagenet-x").packs
    root = val(tmp_path / "val")
    report, view = indexed(store, "imagenet-x", root, annotations=said)
    assert (report.new, report.hashed) == (True, 3)
    assert view["sample"].to_list() == listed["sample"].to_list()
    assert view["virtual_id"].to_list() == listed["image_id"].to_list()
    assert view["virtual_id"][0] == virtual_id("imagenet-val", val_name(2))
    assert view["image_id"][0] == image_id(encoded(2, ".jpg"))
    # The packs of listed images stay in the store, and no model is asked to compute them.
    assert all((store.layout.packs / f"{pack}.json").is_file() for pack in listed_packs)
    assert not set(listed_packs) & set(store.version("imagenet-x").packs)
    # The source set records the same mapping; and a second look changes nothing.
    _, source = indexed(store, "imagenet-val", root)
    by_name = {row["sample"].split("/")[-1]: row["virtual_id"] for row in source.iter_rows(named=True)}
    assert by_name == dict(zip(listed["sample"], listed["image_id"], strict=True))
    again, _ = indexed(Store(store.layout.root), "imagenet-x", root, annotations=said)
    assert (again.new, again.hashed) == (False, 0)


def test_images_are_not_forgotten_for_a_list(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    indexed(store, "imagenet-val", val(tmp_path / "val"))
    (tmp_path / "filename_label.csv").write_text(f"file_name,label\n{val_name(2)},970\n")
    with pytest.raises(UsageError, match="has images in this store already; give --root DIR"):
        indexed(store, "imagenet-val", None, annotations=tmp_path)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"file_name": val_name(2), "class": 1000}, "line 2: class 1000 is not one of 0..999"),
        ({"file_name": val_name(2), "class": "970"}, "line 2: class '970' is not one"),
        ({"class": 970}, "line 2: no file_name"),
        ({"file_name": val_name(2), "class": 970, "pose": 2}, "line 2: pose is 2, expected 0 or 1"),
        ({"file_name": val_name(10), "class": 970}, f"line 2: '{val_name(10)}' stands there twice"),
    ],
)
def test_malformed_rows_are_named(row: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    said = annotations(tmp_path / "said", [ROWS[0], row])
    with pytest.raises(UsageError, match=complaint):
        indexed(new_store(tmp_path), "imagenet-x", None, annotations=said)


def test_another_readings_file_is_refused(tmp_path: Path) -> None:
    said = annotations(tmp_path / "said", ROWS)
    with pytest.raises(UsageError, match=r"imagenet-x-multi reads imagenet_x_val_multi_factor.jsonl"):
        indexed(new_store(tmp_path), "imagenet-x-multi", None, annotations=said / "imagenet_x_val_top_factor.jsonl")
    _, view = indexed(
        new_store(tmp_path), "imagenet-x-library", None, annotations=said / "imagenet_x_val_top_factor.jsonl"
    )
    assert view.height == 3


def test_without_package_and_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    done = extract(tmp_path / "s", "index", "imagenet-x")
    assert done.code == 2
    assert "`pip install imagenet-x`, or give --annotations FILE or folder" in done.err
    (tmp_path / "empty").mkdir()
    done = extract(tmp_path / "s", "index", "imagenet-x", "--annotations", tmp_path / "empty")
    assert "holds no imagenet_x_val_top_factor.jsonl" in done.err
