"""One set of images in every container: the same ids, the same view, and the same bytes found again."""

from __future__ import annotations

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
from extract.containers.names import path_key
from extract.containers.opening import open_container
from extract.containers.places import NotThereError, read_place
from extract.containers.protocol import Container, Place
from extract.sources import Sources
from manifests.errors import UsageError
from tests.extract.container_files import CONTAINERS, COUNT, pets
from tests.extract.official import Miniature, encoded, indexed, new_store


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    return pets()


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
