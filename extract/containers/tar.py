"""Tar archives and webdataset shards: one pass over the headers finds every member's range.

A tar inside a tar (as in ImageNet's training set) is entered, since its members are ranges of the outer file too.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from manifests.errors import UsageError

from .archive import Archive
from .protocol import Place

COMPRESSED = {b"\x1f\x8b": "gunzip", b"BZ": "bunzip2", b"\xfd7": "unxz", b"\x28\xb5": "unzstd"}


def open_tar(path: Path) -> Archive:
    """Open one tar archive."""
    return Archive(path.stem, str(path), _members(path), unwrap=True)


def open_shards(name: str, where: str, paths: Sequence[Path]) -> Archive:
    """Open the tar shards of one set as one container.

    Raises
    ------
    UsageError
        When two shards hold a member of the same name, so that a name would not say which is meant.
    """
    seen: dict[str, Path] = {}

    def members() -> Iterator[tuple[str, Place | str]]:
        for path in paths:
            for key, place in _members(path):
                other = seen.setdefault(key, path)
                if other is not path:
                    raise UsageError(
                        f"{other} and {path} both hold {key!r}; the shards of one set have distinct names. "
                        "Index them one by one, or as two datasets."
                    )
                yield key, place

    return Archive(name, where, members(), unwrap=False)


def _members(path: Path) -> Iterator[tuple[str, Place | str]]:
    with path.open("rb") as stream:
        start = stream.read(2)
        if start in COMPRESSED:
            raise UsageError(
                f"{path} is compressed, so that no image in it can be reached without reading all before it. "
                f"`{COMPRESSED[start]} -k {path.name}` makes a plain tar; or unpack it."
            )
        stream.seek(0)
        yield from _walk(stream, path, "", 0)


def _walk(stream: BinaryIO, path: Path, prefix: str, depth: int) -> Iterator[tuple[str, Place | str]]:
    absolute = str(path.absolute())
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            while (info := tar.next()) is not None:
                # tarfile keeps every header that it has seen; a million of them is a gigabyte.
                tar.members.clear()
                name = prefix + info.name
                if info.isdir():
                    continue
                if info.issym() or info.islnk():
                    yield name, f"a link (to {info.linkname!r}); an archive's links are not followed"
                elif not info.isreg() or info.issparse():
                    yield name, "not a plain file"
                elif depth == 0 and name.lower().endswith(".tar"):
                    resume = stream.tell()
                    stream.seek(info.offset_data)
                    yield from _walk(stream, path, f"{name[:-4]}/", depth + 1)
                    stream.seek(resume)
                else:
                    yield name, Place(absolute, info.offset_data, info.size)
    except tarfile.TarError as error:
        raise UsageError(f"{path} cannot be read as a tar archive ({error}); copy or download it again.") from error
