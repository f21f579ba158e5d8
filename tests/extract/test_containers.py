"""One set of images in every container: the same ids, the same view, and the same bytes found again."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest

from cache.files import Disk
from cache.key import image_id
from cache.store import Store
from extract.containers.names import member_key, path_key, wrapping
from extract.containers.opening import open_container
from extract.containers.places import NotThereError, read_place
from extract.containers.protocol import Container, Place
from extract.sources import Sources
from manifests.errors import UsageError
from tests.extract.official import Miniature, encoded, indexed, new_store

COUNT = 200


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    """Names and bytes of 200 images in three classes; numbers in names are not padded."""
    classes = ("ant", "bee", "cat 2")
    return {
        f"{classes[at % 3]}/{at}{'.jpg' if at % 2 else '.png'}": encoded(at, ".jpg" if at % 2 else ".png")
        for at in range(COUNT)
    }


def as_folder(where: Path, images: dict[str, bytes]) -> Path:
    files = Miniature(where / "pets")
    for name, data in images.items():
        files.file(name, data)
    return files.root


def as_tar(where: Path, images: dict[str, bytes], prefix: str = "") -> Path:
    with tarfile.open(where / "pets.tar", "w") as tar:
        for name, data in reversed(images.items()):
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return where / "pets.tar"


def as_wrapped_tar(where: Path, images: dict[str, bytes]) -> Path:
    return as_tar(where, images, "./pets/")


def as_shards(where: Path, images: dict[str, bytes]) -> Path:
    folder = where / "pets"
    folder.mkdir()
    names = list(images)
    for shard in range(0, COUNT, 64):
        part = as_tar(where, {name: images[name] for name in names[shard : shard + 64]})
        part.rename(folder / f"{shard // 64:05d}.tar")
    return folder


def as_zip(where: Path, images: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(where / "pets.zip", "w", method) as archive:
        for name, data in images.items():
            archive.writestr(f"pets/{name}", data)
    return where / "pets.zip"


def as_stored_zip(where: Path, images: dict[str, bytes]) -> Path:
    return as_zip(where, images, zipfile.ZIP_STORED)


def as_hdf5_tree(where: Path, images: dict[str, bytes]) -> Path:
    with h5py.File(where / "pets.h5", "w") as file:
        for name, data in images.items():
            file.create_dataset(name, data=np.frombuffer(data, np.uint8))
    return where / "pets.h5"


def as_chunked_hdf5(where: Path, images: dict[str, bytes]) -> Path:
    with h5py.File(where / "pets.hdf5", "w") as file:
        for name, data in images.items():
            file.create_dataset(name, data=np.frombuffer(data, np.uint8), chunks=(64,), compression="gzip")
    return where / "pets.hdf5"


def as_hdf5_rows(where: Path, images: dict[str, bytes]) -> Path:
    with h5py.File(where / "pets.h5", "w") as file:
        held = file.create_dataset("images", (COUNT,), h5py.vlen_dtype(np.uint8))
        for at, data in enumerate(images.values()):
            held[at] = np.frombuffer(data, np.uint8)
        file["keys"] = list(images)
        file["labels"] = [name.split("/")[0] for name in images]
    return where / "pets.h5"


def hf_table(images: dict[str, bytes], classes: list[str]) -> pl.DataFrame:
    rows = [{"bytes": data, "path": name} for name, data in images.items()]
    labels = [classes.index(name.split("/")[0]) for name in images]
    dtype = pl.Struct({"bytes": pl.Binary, "path": pl.String})
    return pl.DataFrame({"image": pl.Series(rows, dtype=dtype), "label": pl.Series(labels, dtype=pl.Int64)})


# As a builder may number them: in no order that names have.
NUMBERED = ["cat 2", "ant", "bee"]
FEATURES = {"image": {"_type": "Image"}, "label": {"names": NUMBERED, "_type": "ClassLabel"}}


def as_saved_dataset(where: Path, images: dict[str, bytes]) -> Path:
    folder = where / "pets"
    folder.mkdir()
    table = hf_table(images, NUMBERED)
    parts = [table[:90], table[90:]]
    files = [f"data-{at:05d}-of-00002.arrow" for at in range(2)]
    for part, name in zip(parts, files, strict=True):
        part.write_ipc_stream(folder / name, compat_level=pl.CompatLevel.oldest())
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in files]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def as_parquet(where: Path, images: dict[str, bytes]) -> Path:
    folder = where / "pets" / "data"
    folder.mkdir(parents=True)
    table = hf_table(images, NUMBERED)
    said = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    table[:70].write_parquet(folder / "test-00000-of-00002.parquet", row_group_size=30, metadata=said)
    table[70:].write_parquet(folder / "test-00001-of-00002.parquet", metadata=said)
    return where / "pets"


CONTAINERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": as_folder,
    "tar": as_tar,
    "tar with a folder around": as_wrapped_tar,
    "shards": as_shards,
    "zip": as_zip,
    "stored zip": as_stored_zip,
    "hdf5 tree": as_hdf5_tree,
    "compressed hdf5 tree": as_chunked_hdf5,
    "hdf5 rows": as_hdf5_rows,
    "hugging face": as_saved_dataset,
    "parquet": as_parquet,
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_the_same_images_make_the_same_view(kind: str, images: dict[str, bytes], tmp_path: Path) -> None:
    store = new_store(tmp_path)
    report, view = indexed(store, "pets", CONTAINERS[kind](tmp_path, images))
    names = sorted(images, key=path_key)
    assert view["sample"].to_list() == names
    assert names[:3] == ["ant/0.png", "ant/3.jpg", "ant/6.png"]
    assert view["image_id"].to_list() == [image_id(images[name]) for name in names]
    assert view["label"].to_list() == [("ant", "bee", "cat 2").index(name.split("/")[0]) for name in names]
    assert view.columns == ["sample", "image_id", "label"]
    assert (report.hashed, report.refused, report.labelled) == (COUNT, (), COUNT)
    # What `run` will read is found again by the notes alone.
    sources = Sources(Store(store.layout.root))
    for name in names[::17]:
        (place,) = sources.places(image_id(images[name]))
        assert read_place(Disk(), place) == images[name]


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_second_look_hashes_nothing(kind: str, images: dict[str, bytes], tmp_path: Path) -> None:
    store = new_store(tmp_path)
    root = CONTAINERS[kind](tmp_path, images)
    first, _ = indexed(store, "pets", root)
    again, _ = indexed(store, "pets", root)
    assert (again.hashed, again.new, again.version) == (0, False, first.version)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_container_answers_the_protocol(kind: str, images: dict[str, bytes], tmp_path: Path) -> None:
    files: Container = open_container(CONTAINERS[kind](tmp_path, images))
    assert (len(files), files.name) == (COUNT, "pets")
    assert {files.key(at): files.bytes(at) for at in range(COUNT)} == images
    assert all(isinstance(files.place(at), Place) for at in range(COUNT))
    assert {len(files.extra(at)) for at in range(COUNT)} == {0}


def test_lists_keep_their_order_and_columns(tmp_path: Path) -> None:
    files = Miniature(tmp_path).image("b.png", "a.png", "c.png")
    rows = [
        {"file": "b.png", "label": "x", "level": 2, "tags": ["u", "v"]},
        {"file": "a.png", "label": "y", "level": 3, "tags": []},
    ]
    files.file("list.jsonl", "\n".join(json.dumps(row) for row in rows))
    pl.DataFrame(rows).write_parquet(tmp_path / "list.parquet")
    store = new_store(tmp_path)
    _, from_jsonl = indexed(store, "one", tmp_path / "list.jsonl")
    _, from_listing = indexed(store, "two", tmp_path, listing=tmp_path / "list.parquet")
    assert from_jsonl.equals(from_listing)
    assert from_jsonl["sample"].to_list() == ["b.png", "a.png"]
    assert from_jsonl.schema["level"] == pl.Int64
    assert from_jsonl["tags"].to_list() == [["u", "v"], []]


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


# --- what is refused ---------------------------------------------------------------------------------------------


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


def broken(tmp_path: Path, name: str, data: bytes) -> Path:
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def pixel_rows(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((2, 8, 8, 3), np.uint8)
    return path


def short_names(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        held = file.create_dataset("images", (2,), h5py.vlen_dtype(np.uint8))
        held[0] = held[1] = np.frombuffer(encoded(1), np.uint8)
        file["keys"] = ["only one"]
    return path


def encrypted(path: Path) -> Path:
    """A zip whose flags say that it is encrypted; nothing else of it is looked at."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", encoded(1))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda t: broken(t, "x.tar.gz", b"\x1f\x8b\x08\x00"), r"is compressed.*`gunzip -k x.tar.gz`"),
        (lambda t: broken(t, "x.tar", b"no tar at all" * 100), "cannot be read as a tar archive"),
        (lambda t: broken(t, "x.zip", b"no zip"), "cannot be read as a zip archive"),
        (lambda t: broken(t, "x.h5", b"no hdf5"), "cannot be read as HDF5"),
        (lambda t: broken(t, "x.parquet", b"no parquet"), "cannot be read as Parquet"),
        (lambda t: broken(t, "x.rar", b"Rar!"), "nor a container that is known; expected a folder, a .tar"),
        (lambda t: t / "absent", "is not a folder, nor a file"),
        (lambda t: encrypted(t / "x.zip"), "is encrypted.*Unpack it with the password"),
        (
            lambda t: pixel_rows(t / "x.h5"),
            r"an array of uint8 and shape \(2, 8, 8, 3\), expected the bytes of an encoded",
        ),
        (lambda t: short_names(t / "x.h5"), r"keys has 1 rows, expected one an image \(2\)"),
    ],
)
def test_what_is_no_container_is_explained(make: Callable[[Path], Path], complaint: str, tmp_path: Path) -> None:
    root = make(tmp_path)
    with pytest.raises(UsageError, match=complaint):
        open_container(root)


def test_several_splits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UsageError, match="holds the splits train, test"):
        open_container(tmp_path)
    hub = tmp_path / "hub"
    hub.mkdir()
    for split in ("test", "train"):
        hf_table({"ant/1.png": encoded(1)}, NUMBERED).write_parquet(hub / f"{split}-00000-of-00001.parquet")
    with pytest.raises(UsageError, match="Parquet files of test, train"):
        open_container(hub)
    (hub / "x.tar").write_bytes(b"")
    with pytest.raises(UsageError, match="holds tar and Parquet files and no image"):
        open_container(hub)


def test_rows_with_a_path_and_no_bytes_are_refused(tmp_path: Path) -> None:
    table = hf_table({"ant/1.png": encoded(1)}, NUMBERED)
    lost = pl.DataFrame({"image": [{"bytes": None, "path": "ant/2.png"}], "label": [0]}, schema=table.schema)
    pl.concat([table, lost]).write_parquet(tmp_path / "x.parquet")
    files = open_container(tmp_path / "x.parquet")
    assert len(files) == 1
    assert [(refused.sample, refused.why[:32]) for refused in files.refused] == [
        ("ant/2.png", "the row holds a path and no byte")
    ]


@pytest.mark.parametrize("kind", ["tar", "zip", "hdf5 rows", "compressed hdf5 tree", "parquet", "hugging face"])
def test_a_container_that_changed_is_noticed(kind: str, images: dict[str, bytes], tmp_path: Path) -> None:
    from extract.unit import read_item

    store = new_store(tmp_path)
    indexed(store, "pets", CONTAINERS[kind](tmp_path, images))
    name = "bee/1.jpg"
    item = image_id(images[name])
    assert read_item(store, Sources(store), item) == (images[name], "ok", "")
    path = Path(Sources(store).places(item)[0].path)
    path.write_bytes(path.read_bytes()[:300])
    status = read_item(store, Sources(store), item)
    assert status[0] is None
    assert status[1] in ("changed", "missing")
    path.unlink()
    assert read_item(store, Sources(store), item)[1] == "missing"


def test_a_place_beyond_the_end_is_an_error(tmp_path: Path) -> None:
    path = broken(tmp_path, "x.bin", b"12345")
    assert read_place(Disk(), Place(str(path), 1, 3)) == b"234"
    with pytest.raises(NotThereError, match="ends at byte 5, expected 9 more bytes"):
        read_place(Disk(), Place(str(path), 2, 9))
    with pytest.raises(NotThereError, match="at byte 0"):
        read_place(Disk(), Place(str(path), 0, 5, "deflate"))


def test_notes_of_earlier_versions_still_save_hashes(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    root = Miniature(tmp_path / "pets").image("a.png", "b.png").root
    indexed(store, "pets", root)
    (note,) = (store.layout.local / "sources").glob("*.parquet")
    pl.read_parquet(note).drop("offset", "stretch", "member", "file_size").write_parquet(
        note.with_name("a" * 32 + ".parquet")
    )
    note.unlink()
    assert indexed(store, "pets", root)[0].hashed == 0


def test_no_torch_for_indexing() -> None:
    import subprocess
    import sys

    from tests.extract.command_line import REPOSITORY

    names = "('torch', 'h5py', 'timm')"
    script = f"import sys, extract.index, extract.check_set; print([m for m in sys.modules if m in {names}])"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("paths", "labels", "expected"),
    [
        (["1.png", "2.png"], [1, 2], ["1.png", "2.png"]),
        (["1.png", "1.png"], [1, 2], ["ant/1.png", "bee/1.png"]),
        (["1.png", "1.png"], [1, 1], ["00000000.image", "00000001.image"]),
        ([None, None], [1, 1], ["00000000.image", "00000001.image"]),
        (["../1.png", "2.png"], [1, 1], ["2.png"]),
    ],
)
def test_rows_of_one_file_name_are_told_apart(
    paths: list[str | None], labels: list[int], expected: list[str], tmp_path: Path
) -> None:
    """`save_to_disk` keeps file names and leaves folders away."""
    table = hf_table({f"ant/{at}.png": encoded(at) for at in range(2)}, NUMBERED)
    rows = [{"bytes": row["bytes"], "path": path} for row, path in zip(table["image"].to_list(), paths, strict=True)]
    named = pl.DataFrame({"image": rows, "label": labels}, schema=table.schema)
    said = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    named.write_parquet(tmp_path / "x.parquet", metadata=said)
    files = open_container(tmp_path / "x.parquet")
    assert [files.key(at) for at in range(len(files))] == expected
