"""From `--root` to a container, by what is there; what could be two things is refused."""

from __future__ import annotations

from pathlib import Path

from manifests.errors import UsageError

from .folder import Folder
from .names import is_image, natural_key
from .protocol import Container

EXPECTED = "a folder, a .tar, .zip, .h5 or .parquet file, or a list of files (.csv, .jsonl)"


def check_place(root: Path) -> None:
    """Check that `--root` names something, before it is opened.

    Raises
    ------
    UsageError
        When nothing is there.
    """
    if not root.exists():
        raise UsageError(f"--root {root} is not a folder, nor a file; expected {EXPECTED}.")


def open_container(root: Path, follow_links: bool = False) -> Container:
    """Open what `--root` names.

    A folder that holds images is a folder, whatever else lies in it. One without images may be a saved Hugging Face
    dataset, the tar shards of a webdataset, or Parquet files.

    Raises
    ------
    UsageError
        When it is nothing that is known, or could be two things.
    """
    check_place(root)
    return _folder(root, follow_links) if root.is_dir() else _file(root)


def _file(path: Path) -> Container:
    suffix = path.suffix.lower()
    if suffix == ".tar" or path.name.lower().endswith((".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")):
        from .tar import open_tar

        return open_tar(path)
    if suffix == ".zip":
        from .zip import open_zip

        return open_zip(path)
    if suffix in (".h5", ".hdf5"):
        from .hdf5 import open_hdf5

        return open_hdf5(path)
    if suffix == ".parquet":
        from .hf_dataset import open_parquet

        return open_parquet(path.stem, str(path), [path])
    if suffix in (".csv", ".jsonl"):
        from .list_file import open_list

        return open_list(path)
    raise UsageError(f"--root {path} is not a folder, nor a container that is known; expected {EXPECTED}.")


def _folder(root: Path, follow_links: bool) -> Container:
    if (root / "state.json").is_file() or (root / "dataset_dict.json").is_file():
        from .hf_dataset import open_saved

        return open_saved(root)
    folder = Folder(root, follow_links)
    if any(is_image(folder.key(at)) for at in range(len(folder))):
        return folder
    names = sorted((folder.key(at) for at in range(len(folder))), key=natural_key)
    found = {
        suffix: [root / name for name in names if name.lower().endswith(suffix)] for suffix in (".tar", ".parquet")
    }
    if found[".tar"] and found[".parquet"]:
        raise UsageError(f"{root} holds tar and Parquet files and no image; name one of them as --root.")
    if found[".tar"]:
        from .tar import open_shards

        return open_shards(folder.name, folder.where, found[".tar"])
    if found[".parquet"]:
        from .hf_dataset import open_parquet

        return open_parquet(folder.name, folder.where, found[".parquet"])
    if others := [name for name in names if name.lower().endswith((".zip", ".h5", ".hdf5", ".tar.gz", ".tgz"))]:
        raise UsageError(f"{root} holds no image, but {', '.join(others[:5])}; name one of them as --root.")
    return folder
