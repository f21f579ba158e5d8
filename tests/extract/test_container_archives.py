"""Tar and zip archives: shards, archives of archives, and members that are refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cache.key import image_id
from extract.containers.names import member_key, wrapping
from extract.containers.opening import open_container
from manifests.errors import UsageError
from tests.extract.container_files import as_tar
from tests.extract.official import encoded, indexed, new_store


def test_an_archive_of_archives_is_entered(tmp_path: Path) -> None:
    """As ImageNet's training set comes: a tar of one tar a class."""
    data = {f"n0144076{at}": {f"n0144076{at}_{n}.JPEG": encoded(10 * at + n, ".jpg") for n in (2, 10)} for at in (4, 7)}
    with tarfile.open(tmp_path / "ILSVRC2012_img_train.tar", "w") as outer:
        for wnid, files in data.items():
            (tmp_path / "inner").mkdir(exist_ok=True)
            inner = as_tar(tmp_path / "inner", files)
            outer.add(inner, f"{wnid}.tar")
    files = open_container(tmp_path / "ILSVRC2012_img_train.tar")
    keys = [files.key(at) for at in range(len(files))]
    assert keys == [f"{wnid}/{wnid}_{n}.JPEG" for wnid in data for n in (2, 10)]
    assert [files.bytes(at) for at in range(4)] == [data[key.split("/")[0]][key.split("/")[1]] for key in keys]


def test_webdataset_classes(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for at, label in enumerate((7, 3)):
        members[f"s{at:07d}.png"] = encoded(at)
        members[f"s{at:07d}.cls"] = str(label).encode()
    shard = as_tar(tmp_path, members)
    store = new_store(tmp_path)
    with pytest.raises(
        UsageError, match=r"s0000000.png is of class number 7, and nothing says which list.*--label-space"
    ):
        indexed(store, "mine", shard)
    _, view = indexed(store, "mine", shard, label_space="imagenet-1k")
    assert view.rows() == [("s0000000.png", image_id(encoded(0)), 7), ("s0000001.png", image_id(encoded(1)), 3)]


def test_members_of_one_name_in_two_shards_are_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(2):
        as_tar(tmp_path, {"a.png": encoded(shard)}).rename(folder / f"{shard}.tar")
    with pytest.raises(UsageError, match=r"0.tar and .*1.tar both hold 'a.png'"):
        open_container(folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("./a//./b.jpg", "a/b.jpg"),
        ("../x.jpg", None),
        ("a/../../x.jpg", None),
        ("/etc/x.jpg", None),
        ("C:/x.jpg", None),
        ("", None),
        ("./", None),
    ],
)
def test_member_names(name: str, expected: str | None) -> None:
    assert member_key(name) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [(["a/1", "a/b/2"], "a/"), (["a/1", "b/2"], ""), (["a/1", "2"], ""), (["1"], ""), ([], "")],
)
def test_wrapping_folders(keys: list[str], expected: str) -> None:
    assert wrapping(keys) == expected


def test_links_and_doubles_in_a_tar_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, data in (("a.png", encoded(1)), ("a.png", encoded(2)), ("._a.png", b"shadow"), ("notes.txt", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo(f"link{kind.decode()}.png")
            link.type, link.linkname = kind, "/etc/passwd"
            tar.addfile(link)
        pipe = tarfile.TarInfo("pipe.png")
        pipe.type = tarfile.FIFOTYPE
        tar.addfile(pipe)
    files = open_container(tmp_path / "x.tar")
    assert {refused.sample: refused.why for refused in files.refused} == {
        "a.png": "another member has the same name",
        "link2.png": "a link (to '/etc/passwd'); an archive's links are not followed",
        "link1.png": "a link (to '/etc/passwd'); an archive's links are not followed",
        "pipe.png": "not a plain file",
    }
    report, view = indexed(new_store(tmp_path), "x", tmp_path / "x.tar")
    assert view["image_id"].to_list() == [image_id(encoded(1))]
    assert len(report.refused) == 4
