"""The same images in every container that is read, written as others write them."""

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

from tests.extract.official import Miniature, encoded

COUNT = 200


def pets() -> dict[str, bytes]:
    """Return names and bytes of 200 images in three classes; numbers in names are not padded."""
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
