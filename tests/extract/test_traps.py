"""One test a trap: ways in which other tools label images wrongly, or are led out of a folder, without a word."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cache.key import image_id
from extract.layouts.folder import read_listing
from extract.layouts.labels_file import read_labels
from manifests.errors import UsageError
from tests.extract.command_line import extract
from tests.extract.official import CATALOGUE, Miniature, by_sample, encoded, indexed, new_store


def nothing_written(store: Path) -> bool:
    return sorted(path.name for path in store.iterdir() if path.name != "local") == ["STORE.json"]


def test_numbers_as_folder_names_are_not_sorted_as_text(tmp_path: Path) -> None:
    """ImageNet-V2: torchvision's ImageFolder makes "10" class 2, after "0" and "1"."""
    root = Miniature(tmp_path / "imagenetv2-matched-frequency-format-val")
    root.image("0/a.jpeg", "1/b.jpeg", "2/c.jpeg", "10/d.jpeg", "100/e.jpeg", "999/f.jpeg")
    _, view = indexed(new_store(tmp_path), "imagenet-v2-matched-frequency", root.root)
    assert view.select("sample", "label").rows() == [
        ("0/a.jpeg", 0),
        ("1/b.jpeg", 1),
        ("2/c.jpeg", 2),
        ("10/d.jpeg", 10),
        ("100/e.jpeg", 100),
        ("999/f.jpeg", 999),
    ]


def test_a_flat_folder_with_the_devkits_ground_truth_is_refused(tmp_path: Path) -> None:
    """The devkit's ids count 1..1000 in an order of their own."""
    root = Miniature(tmp_path / "val").image(*(f"ILSVRC2012_val_{at:08d}.JPEG" for at in (1, 2)))
    truth = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("490\n361\n")
    done = extract(tmp_path / "s", "index", "imagenet-val", "--root", root.root, "--labels", truth)
    assert done.code == 2
    assert "looks like the devkit's ground truth" in done.err
    assert "write the columns file,wnid" in done.err
    # The same numbers dressed up as class indices: the last class gives them away.
    names = [f"ILSVRC2012_val_{at:08d}.JPEG" for at in (1, 2)]
    (tmp_path / "l.csv").write_text(f"file,class_index\n{names[0]},490\n{names[1]},1000\n")
    done = extract(tmp_path / "s", "index", "imagenet-val", "--root", root.root, "--labels", tmp_path / "l.csv")
    assert done.code == 2
    assert "Numbers 1..1000 are ids of the devkit or count from 1; class_index counts from 0" in done.err
    assert nothing_written(tmp_path / "s")


def test_a_flat_folder_without_labels_is_refused(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "val").image("ILSVRC2012_val_00000001.JPEG")
    done = extract(tmp_path / "s", "index", "imagenet-val", "--root", root.root)
    assert done.code == 2
    assert "layout imagenet-val-flat needs --labels FILE" in done.err


@pytest.mark.parametrize("order", [("n15075141", "n01440764", "n02124075"), ("n02124075", "n15075141", "n01440764")])
def test_the_order_of_class_folders_says_nothing(order: tuple[str, ...], tmp_path: Path) -> None:
    root = Miniature(tmp_path / "imagenet-sketch")
    for wnid in order:
        root.image(f"sketch/{wnid}/sketch_0.JPEG")
    _, view = indexed(new_store(tmp_path), "imagenet-sketch", root.root)
    assert by_sample(view, "label") == {
        f"sketch/{wnid}/sketch_0.JPEG": label
        for wnid, label in (("n01440764", 0), ("n02124075", 285), ("n15075141", 999))
    }


def test_folders_whose_names_were_changed_are_refused(tmp_path: Path) -> None:
    for name in ("0", "tench", "n0144076", "N01440764"):
        root = Miniature(tmp_path / name).image(f"{name}/sketch_0.JPEG").root
        with pytest.raises(UsageError, match=r"layout wnid-folders expects .*/<wnid>/<file>"):
            indexed(new_store(tmp_path), "imagenet-sketch", root)


def test_a_class_that_the_set_does_not_have_is_refused(tmp_path: Path) -> None:
    """A folder of ImageNet-A below the root of ImageNet-R: both have 200 classes, 86 in common."""
    foreign = sorted(set(CATALOGUE.labels["imagenet-a-200"].keys) - set(CATALOGUE.labels["imagenet-r-200"].keys))[0]
    root = Miniature(tmp_path / "imagenet-r").image("n01443537/art_0.jpg", f"{foreign}/0.1_x_0.2.jpg").root
    with pytest.raises(UsageError, match=f"{foreign}/0.1_x_0.2.jpg: wnid '{foreign}' is not a class"):
        indexed(new_store(tmp_path), "imagenet-r", root)


@pytest.mark.parametrize("more", [{}, {"layout": "folder"}, {"layout": "ood-folder"}])
def test_folders_of_imagenet_o_are_no_labels(more: dict[str, str], tmp_path: Path) -> None:
    """They name the class that a ResNet-50 confuses the image with."""
    root = Miniature(tmp_path / "imagenet-o").image("n01443537/a.jpg", "n01484850/b.jpg").root
    store = new_store(tmp_path)
    if more.get("layout") == "folder":
        with pytest.raises(UsageError, match="imagenet-o comes as ood-folder; got --layout folder"):
            indexed(store, "imagenet-o", root, **more)
        return
    report, view = indexed(store, "imagenet-o", root, **more)
    assert report.labelled == 0
    assert view["label"].to_list() == [None, None]
    assert view["ood_class"].to_list() == ["n01443537", "n01484850"]
    assert store.version("imagenet-o").classes == ""


def test_labels_of_an_out_of_distribution_set_stay_words(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "imagenet-o").image("n01443537/a.jpg").root
    (tmp_path / "l.csv").write_text("file,wnid\nn01443537/a.jpg,n01443537\n")
    report, view = indexed(new_store(tmp_path), "imagenet-o", root, labels=tmp_path / "l.csv", layout="folder")
    assert (report.labelled, view["ood_class"].to_list()) == (0, ["n01443537"])


def tar_with(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_tar_member_that_leads_out_is_refused(tmp_path: Path) -> None:
    members = {
        name: encoded(at) for at, name in enumerate(("../../x.jpg", "/etc/x.jpg", "cat/../../x.jpg", "cat/1.jpg"))
    }
    path = tar_with(tmp_path / "pets.tar", members)
    before = sorted(tmp_path.rglob("*"))
    done = extract(tmp_path / "s", "index", "pets", "--root", path, "--json")
    assert done.code == 5
    row = done.json
    assert row["samples"] == 1
    assert [refused["sample"] for refused in row["refused"]] == ["../../x.jpg", "/etc/x.jpg", "cat/../../x.jpg"]
    assert {refused["why"] for refused in row["refused"]} == {
        "its name leads out of the archive; such members are never taken"
    }
    assert [path for path in sorted(tmp_path.rglob("*")) if tmp_path / "s" not in (path, *path.parents)] == before


def test_a_tar_member_that_leads_out_is_refused_even_if_it_is_no_image(tmp_path: Path) -> None:
    path = tar_with(tmp_path / "pets.tar", {"../../x": b"#!", "cat/1.jpg": encoded(1)})
    report, _ = indexed(new_store(tmp_path), "pets", path)
    assert [refused.sample for refused in report.refused] == ["../../x"]


def test_a_csv_with_a_byte_order_mark_crlf_and_quotes(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "photos").image("a, b.jpg", "c.jpg")
    csv = tmp_path / "labels.csv"
    csv.write_bytes(
        '\ufeff"file","wnid","note"\r\n"a, b.jpg",n01440764,"one, ""two"""\r\nc.jpg,n15075141,\r\n'.encode()
    )
    _, view = indexed(new_store(tmp_path), "photos", files.root, labels=csv)
    assert by_sample(view, "label", "note") == {"a, b.jpg": (0, 'one, "two"'), "c.jpg": (999, "")}
    assert {name: row.line for name, row in read_labels(csv).items()} == {"a, b.jpg": 2, "c.jpg": 3}


def test_training_images_are_no_validation_images(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "imagenet").image("train/n01440764/n01440764_1.JPEG", "val/n01440764/x.JPEG").root
    with pytest.raises(UsageError, match="an image of the training set; give the folder `val` as --root"):
        indexed(new_store(tmp_path), "imagenet-val", root)
    with pytest.raises(UsageError, match="class folders in two places, train and val"):
        indexed(new_store(tmp_path), "stylized-imagenet", root)


def test_the_three_sets_of_imagenet_v2_are_told_apart(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "data").image("imagenetv2-top-images-format-val/0/a.jpeg").root
    with pytest.raises(
        UsageError, match=r"is the archive imagenetv2-threshold0.7-format-val, and .* of imagenetv2-top-i"
    ):
        indexed(new_store(tmp_path), "imagenet-v2-threshold", root)
    with pytest.raises(UsageError, match=r"of imagenetv2-top-images-format-val; the three sets have different images"):
        indexed(new_store(tmp_path), "imagenet-v2-threshold", root / "imagenetv2-top-images-format-val")
    _, view = indexed(new_store(tmp_path), "imagenet-v2-top-images", root)
    assert view["label"].to_list() == [0]


def test_the_three_sets_of_huang_and_li_are_told_apart(tmp_path: Path) -> None:
    root = Miniature(tmp_path / "ood").image("SUN/images/a.jpg", "Places/images/b.jpg").root
    with pytest.raises(UsageError, match=r"is the folder Places. Give it as --root"):
        indexed(new_store(tmp_path), "places", root)
    with pytest.raises(UsageError, match="of SUN; places is the folder Places"):
        indexed(new_store(tmp_path), "places", root / "SUN")
    report, view = indexed(new_store(tmp_path), "places", root / "Places")
    assert view.rows() == [("images/b.jpg", image_id(encoded(2, ".jpg")), None)]
    assert report.note.startswith("places: 1 images where 10,000 are expected")


def test_an_unknown_class_in_one_row_names_that_row(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "photos").image("a.jpg", "b.jpg")
    (tmp_path / "l.csv").write_text("file,wnid\na.jpg,n01440764\nb.jpg,n99999999\n")
    done = extract(tmp_path / "s", "index", "photos", "--root", files.root, "--labels", tmp_path / "l.csv")
    assert done.code == 2
    assert "b.jpg: wnid 'n99999999' is not a class of this label space" in done.err
    assert nothing_written(tmp_path / "s")


@pytest.mark.parametrize(
    "arguments",
    [
        ("photos", "--root", "absent"),
        ("photos",),
        ("a/b", "--root", "."),
        ("photos", "--root", ".", "--labels", "absent.csv"),
        ("objectnet", "--root", ".", "--augment", 2),
    ],
)
def test_a_slip_of_the_pen_leaves_no_empty_store(arguments: tuple[object, ...], tmp_path: Path) -> None:
    done = extract(tmp_path / "s", "index", *arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert not (tmp_path / "s").exists()


def test_a_listing_may_not_point_outside(tmp_path: Path) -> None:
    files = Miniature(tmp_path / "photos").image("a.jpg")
    (tmp_path / "secret.jpg").write_bytes(encoded(9, ".jpg"))
    (tmp_path / "l.csv").write_text("sample\n../secret.jpg\na.jpg\n")
    found = list(read_listing(tmp_path / "l.csv", files.root))
    assert [item.sample for item in found] == ["a.jpg", "../secret.jpg"]


def test_a_part_of_a_big_set_does_not_drag_whole_packs_through_a_second_model(tmp_path: Path) -> None:
    """Even where a first model has seen those packs."""
    files = Miniature(tmp_path / "big").image(*(f"{at:02d}.png" for at in range(24)))
    store, tiny = tmp_path / "s", ("--model", "timm:test_resnet", "--weights", "random:0", "--kinds", "embeddings")
    assert extract(store, "index", "big", "--root", files.root, "--pack-size", 16).code == 0
    assert extract(store, "run", *tiny, "--dataset", "big").code == 0
    small = extract(store, "index", "small", "--root", files.root, "--limit", 4, "--json").json
    assert (small["images"], small["packs"], small["hashed"]) == (4, 1, 0)
    (work,) = extract(store, "plan", *tiny, "--dataset", "small", "--json").json["works"]
    assert (work["images_needed"], work["images_computed"]) == (4, 4)
