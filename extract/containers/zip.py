"""Zip archives: the directory at the end gives every member's range; deflated ones are inflated when read."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from manifests.errors import UsageError

from .archive import Archive
from .protocol import Place

_HEADER = struct.Struct("<26xHH")


def open_zip(path: Path) -> Archive:
    """Open a zip archive.

    Raises
    ------
    UsageError
        When it is no zip archive, or asks for a password.
    """
    return Archive(path.stem, str(path), _members(path), unwrap=True)


def _members(path: Path) -> Iterator[tuple[str, Place | str]]:
    absolute = str(path.absolute())
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                if info.flag_bits & 1:
                    raise UsageError(
                        f"{path} is encrypted ({info.filename!r} asks for a password). Unpack it with the password "
                        "that its terms of use name, and give the folder as --root."
                    )
                if info.compress_type == zipfile.ZIP_STORED:
                    yield info.filename, Place(absolute, _start(stream, info), info.compress_size)
                elif info.compress_type == zipfile.ZIP_DEFLATED:
                    yield info.filename, Place(absolute, _start(stream, info), info.compress_size, "deflate")
                else:
                    yield info.filename, f"compression method {info.compress_type} is not read; unpack the archive"
    except (zipfile.BadZipFile, struct.error) as error:
        raise UsageError(f"{path} cannot be read as a zip archive ({error}); copy or download it again.") from error


def _start(stream: BinaryIO, info: zipfile.ZipInfo) -> int:
    # The directory says where a member's own header is; only that says how long the header is.
    stream.seek(info.header_offset)
    name, extra = _HEADER.unpack(stream.read(_HEADER.size))
    return info.header_offset + _HEADER.size + int(name) + int(extra)
