"""What each layout takes, in which order, and what it refuses and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.containers.folder import Folder
from extract.layouts import folder, imagenet_val
from extract.layouts.entries import Ask, Entry, Found, Place, Refused, natural_key
from extract.layouts.folder import read_listing
from extract.layouts.labels_file import LabelRow, read_labels
from manifests.errors import UsageError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def read_folder(root: Path, labels: dict[str, LabelRow] | None, follow_links: bool) -> Iterator[Found]:
    return folder.read_folder(Ask(dataset="photos", files=Folder(root, follow_links), labels=labels))


def read_imagenet_wnid(root: Path, follow_links: bool) -> Iterator[Found]:
    return imagenet_val.read_imagenet_wnid(Ask(dataset="imagenet-val", files=Folder(root, follow_links)))


def read_imagenet_flat(root: Path, labels: dict[str, LabelRow] | None, follow_links: bool) -> Iterator[Found]:
    ask = Ask(dataset="imagenet-val", files=Folder(root, follow_links), labels=labels)
    return imagenet_val.read_imagenet_flat(ask)


def samples(found: list[Entry | Refused]) -> list[str]:
    return [item.sample for item in found if isinstance(item, Entry)]


def refused(found: list[Entry | Refused]) -> dict[str, str]:
    return {item.sample: item.why for item in found if isinstance(item, Refused)}


# --- order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (["10", "9", "1"], ["1", "9", "10"]),
        (["img12.png", "img2.png", "img1.png"], ["img1.png", "img2.png", "img12.png"]),
        (["a10b2", "a10b10", "a9b99"], ["a9b99", "a10b2", "a10b10"]),
        (["01", "1", "001"], ["001", "01", "1"]),  # equal values: by their spelling, so that there is one order
        (["b", "1", "a"], ["1", "a", "b"]),
        (["x²", "x10", "x9"], ["x9", "x10", "x²"]),  # a superscript is a digit to Python and no number to anybody
        (["٣", "10"], ["10", "٣"]),
    ],
)
def test_numbers_in_names_sort_by_value(given_: list[str], expected: list[str]) -> None:
    assert sorted(given_, key=natural_key) == expected


@given(st.lists(st.text(max_size=8), max_size=8, unique=True))
def test_natural_order_is_total(names: list[str]) -> None:
    backwards = list(reversed(names))
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)
    assert len({natural_key(name) for name in names}) == len(names)


# --- the generic folder ------------------------------------------------------------------------------------------


def test_folders_are_classes_and_other_files_are_left_alone(tmp_path: Path) -> None:
    root = touch(
        tmp_path, "dog/10.jpg", "dog/9.JPEG", "cat/x.png", "cat/deep/y.webp", "loose.gif", "notes.txt", ".DS_Store"
    )
    found = list(read_folder(root, None, follow_links=False))
    assert samples(found) == ["cat/deep/y.webp", "cat/x.png", "dog/9.JPEG", "dog/10.jpg", "loose.gif"]
    assert [item.keys for item in found if isinstance(item, Entry)] == [
        {"label": "cat"},
        {"label": "cat"},
        {"label": "dog"},
        {"label": "dog"},
        {},
    ]
    assert not refused(found)


def rows(**labels: str) -> dict[str, LabelRow]:
    return {name: LabelRow(at, {"label": label}, {}) for at, (name, label) in enumerate(labels.items(), 2)}


def test_a_labels_file_decides_what_belongs(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    found = list(read_folder(tmp_path, {"a.jpg": LabelRow(2, {"label": "A"}, {"view": "front"})}, follow_links=False))
    assert found[0] == Entry("a.jpg", Place(str(tmp_path / "a.jpg")), {"label": "A"}, {"view": "front"})
    assert refused(found) == {"b.jpg": "not in the labels file"}


def test_labels_of_files_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    labels = {
        name: LabelRow(line, {"label": "x"}, {}) for line, name in enumerate(("a.jpg", "gone.jpg", "b\\c.jpg"), 2)
    }
    with pytest.raises(UsageError, match=r"names 2 file\(s\).*row 3: 'gone.jpg'"):
        list(read_folder(tmp_path, labels, follow_links=False))


# --- links and odd names -----------------------------------------------------------------------------------------


def test_links_that_leave_the_root_are_refused_unless_wanted(tmp_path: Path) -> None:
    outside = touch(tmp_path / "outside", "secret.jpg", "deep/other.jpg")
    root = touch(tmp_path / "root", "a.jpg")
    (root / "file.jpg").symlink_to(outside / "secret.jpg")
    (root / "folder").symlink_to(outside)
    (root / "inner.jpg").symlink_to(root / "a.jpg")
    (root / "broken.jpg").symlink_to(root / "nowhere.jpg")
    found = list(read_folder(root, None, follow_links=False))
    assert samples(found) == ["a.jpg", "inner.jpg"]
    # The folder is named once and not entered: a link to / would else be a walk over the whole disk.
    assert set(refused(found)) == {"broken.jpg", "file.jpg", "folder"}
    assert "--follow-links" in refused(found)["folder"]
    assert refused(found)["broken.jpg"] == "not a file that can be opened"
    wanted = list(read_folder(root, None, follow_links=True))
    assert samples(wanted) == ["a.jpg", "file.jpg", "folder/deep/other.jpg", "folder/secret.jpg", "inner.jpg"]
    assert set(refused(wanted)) == {"broken.jpg"}


@pytest.mark.parametrize("follow_links", [False, True])
def test_links_in_a_circle_end(follow_links: bool, tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "to-b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to-a").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "self").symlink_to(tmp_path / "b")
    found = list(read_folder(tmp_path, None, follow_links))
    assert samples(found) == ["a/1.jpg", "a/to-b/2.jpg", "b/2.jpg", "b/to-a/1.jpg"]


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg"))).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    touch(tmp_path, "a.jpg")
    found = list(read_folder(tmp_path, None, follow_links=False))
    assert samples(found) == ["a.jpg"]
    assert list(refused(found).items()) == [("??.jpg", "its name is not valid Unicode; rename it")]


def test_long_and_foreign_names_are_taken(tmp_path: Path) -> None:
    names = ["猫.jpg", "е\u0301té à la plage.jpg", "a" * 250 + ".jpg", "line\nbreak.jpg", "semi;colon,'quote\".jpg"]
    touch(tmp_path, *names)
    assert sorted(samples(list(read_folder(tmp_path, None, follow_links=False)))) == sorted(names)


def test_an_unreadable_thing_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert Folder(tmp_path).refused == (Refused("pipe.jpg", "not a file that can be opened"),)


# --- ImageNet ----------------------------------------------------------------------------------------------------


def test_wnid_folders(tmp_path: Path) -> None:
    touch(tmp_path, "n02/b.JPEG", "n01/a.JPEG", "val/n03/c.JPEG")
    found = list(read_imagenet_wnid(tmp_path, follow_links=False))
    assert [(item.sample, item.keys) for item in found if isinstance(item, Entry)] == [
        ("n01/a.JPEG", {"wnid": "n01"}),
        ("n02/b.JPEG", {"wnid": "n02"}),
        ("val/n03/c.JPEG", {"wnid": "n03"}),
    ]
    touch(tmp_path, "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(UsageError, match="imagenet-val-flat, with --labels"):
        list(read_imagenet_wnid(tmp_path, follow_links=False))


def test_the_flat_folder_needs_labels(tmp_path: Path) -> None:
    touch(tmp_path, "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(UsageError, match=r"needs --labels FILE.*not the order of any model"):
        list(read_imagenet_flat(tmp_path, None, follow_links=False))
    labels = {"ILSVRC2012_val_00000001.JPEG": LabelRow(2, {"wnid": "n01751748"}, {})}
    (found,) = read_imagenet_flat(tmp_path, labels, follow_links=False)
    assert found.sample == "ILSVRC2012_val_00000001.JPEG"


# --- listings ----------------------------------------------------------------------------------------------------


def test_a_listing_keeps_its_own_order(tmp_path: Path) -> None:
    touch(tmp_path / "root", "b.jpg", "a.jpg")
    touch(tmp_path, "outside.jpg")
    names = ("b.jpg", "../outside.jpg", "a.jpg", "gone.jpg", str(tmp_path / "outside.jpg"))
    listing = tmp_path / "listing.csv"
    listing.write_text("\n".join(("sample", *names)))
    found = list(read_listing(listing, tmp_path / "root"))
    assert samples(found) == ["b.jpg", "a.jpg"]
    assert refused(found) == {
        "../outside.jpg": "row 3 points outside --root",
        "gone.jpg": "row 5: there is no such file below --root",
        str(tmp_path / "outside.jpg"): "row 6 points outside --root",
    }
    virtual = list(read_listing(listing, None))
    assert [item.path for item in virtual if isinstance(item, Entry)] == [None] * 5


# --- the labels file ---------------------------------------------------------------------------------------------


def labels_file(folder: Path, data: bytes | str) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        "file,wnid,note\na.jpg,n01,x\nb.jpg,n02,\n",
        "\ufefffile,wnid,note\r\na.jpg,n01,x\r\nb.jpg,n02,\r\n",
        "file , wnid,note\ra.jpg, n01 ,x\rb.jpg,n02,\r",
        '"file","wnid","note"\n"a.jpg","n01","x"\n\n"b.jpg","n02",""\n',
        "note,wnid,sample\nx,n01,a.jpg\n,n02,b.jpg",
    ],
    ids=["plain", "bom-crlf", "cr-and-spaces", "quoted-with-empty-line", "sample-last"],
)
def test_spellings_of_one_file(data: str, tmp_path: Path) -> None:
    found = read_labels(labels_file(tmp_path, data))
    assert {name: (row.keys, row.extra) for name, row in found.items()} == {
        "a.jpg": ({"wnid": "n01"}, {"note": "x"}),
        "b.jpg": ({"wnid": "n02"}, {"note": ""}),
    }


def test_quotes_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    found = read_labels(labels_file(tmp_path, 'file,label\n"a, b.jpg","shed, ""old"""\n"c\nd.jpg",barn\n'))
    assert {name: row.keys["label"] for name, row in found.items()} == {"a, b.jpg": 'shed, "old"', "c\nd.jpg": "barn"}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("", "expected the columns `file` and one of class_index, wnid, label; got none"),
        ("file;wnid\na.jpg;n01\n", "got file;wnid"),
        ("name,wnid\na.jpg,n01\n", "got name, wnid"),
        ("file,colour\na.jpg,red\n", "got file, colour"),
        ("file,wnid\n", "a header and no rows"),
        ("file,wnid\na.jpg,n01\nb.jpg,n02\na.jpg,n01\n", r"line 4: 'a.jpg' stands in line 2 already"),
        ("file,wnid\na.jpg,\n", "line 2: 'a.jpg' has no class"),
        ("file,wnid\n,n01\n", "line 2: no file"),
        ("file,wnid\na.jpg,n01,boat, small\n", "line 2: more fields than the header"),
        ("file,wnid\na.jpg,\n,n01\nb.jpg,n01,x\n", "line 2: .*; line 3: .*; line 4: "),
        ("file,wnid,image_id\na.jpg,n01,7\n", "the column 'image_id' has a meaning of its own"),
        ("file,wnid,sample\na.jpg,n01,7\n", "the column 'sample' has a meaning of its own"),
        (f"file,wnid\n{'x' * 200_000},n01\n", "what follows line 1 is not CSV"),
        ("file,wnid\nä.jpg,n01\n".encode("latin-1"), "cannot be read as UTF-8"),
        ("file,wnid\na.jpg,n01\n".encode("utf-16"), "cannot be read as UTF-8"),
    ],
)
def test_a_bad_labels_file_is_explained(data: bytes | str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=complaint):
        read_labels(labels_file(tmp_path, data))


def test_a_listing_needs_no_class(tmp_path: Path) -> None:
    found = read_labels(labels_file(tmp_path, "sample,caption\na,two dogs\n"), need_class=False)
    assert found == {"a": LabelRow(2, {}, {"caption": "two dogs"})}
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(tmp_path / "absent.csv")
