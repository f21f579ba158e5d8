"""What readers ask of a container: its images, the files beside them, and one JSON file that says things of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from extract.containers.names import is_image
from extract.containers.protocol import Container, Place
from manifests.errors import UsageError

from .entries import Ask, Refused


def files_of(ask: Ask, layout: str) -> Container:
    """Return the container of a reader that cannot do without.

    Raises
    ------
    UsageError
        When there is none.
    """
    if ask.files is None:
        raise UsageError(f"layout {layout} of {ask.dataset} needs --root: nothing but the files says what it holds.")
    return ask.files


def images(files: Container) -> Iterator[tuple[int, str]]:
    """Yield position and key of every image."""
    for at in range(len(files)):
        if is_image(key := files.key(at)):
            yield at, key


def some_images(files: Container, count: int = 64) -> list[str]:
    """Return the keys of a few images, spread over the container: enough to see how they lie."""
    every = [key for _, key in images(files)]
    return every[:: max(1, len(every) // count)]


def parent(key: str, up: int = 1) -> str:
    """Return the name of the folder that a file lies in, or of one further up; "" above the root.

    Examples
    --------
    >>> parent("a/b/c.jpg"), parent("a/b/c.jpg", 2), parent("c.jpg")
    ('b', 'a', '')
    """
    parts = key.split("/")
    return parts[-1 - up] if len(parts) > up else ""


def below(files: Container, tail: str) -> str | None:
    """Return the prefix of the one file whose path ends with `tail`; None where there is none.

    Raises
    ------
    UsageError
        When several copies of the set lie below the root.
    """
    found = [key for at in range(len(files)) if (key := files.key(at)) == tail or key.endswith(f"/{tail}")]
    if len(found) > 1:
        raise UsageError(
            f"{files.where} holds {len(found)} files {tail} ({', '.join(found[:3])}); give one copy as --root."
        )
    return found[0].removesuffix(tail) if found else None


def positions(files: Container) -> dict[str, int]:
    """Return where each key stands."""
    return {files.key(at): at for at in range(len(files))}


def place_of(files: Container, at_of: Mapping[str, int], key: str) -> Place | None:
    """Return where a file is; None where there is none."""
    at = at_of.get(key)
    return None if at is None else files.place(at)


def by_file_name(files: Container) -> dict[str, int]:
    """Return where each image's file name stands, whatever folder it lies in.

    Raises
    ------
    UsageError
        When two images have one file name.
    """
    found: dict[str, int] = {}
    for at, key in images(files):
        name = key.rsplit("/", 1)[-1]
        if name in found:
            raise UsageError(
                f"{files.where} holds {files.key(found[name])!r} and {key!r}, and annotations name images by file "
                "name; give the folder of one copy as --root."
            )
        found[name] = at
    return found


def read_json(files: Container, at: int) -> Any:
    """Return the content of a JSON file of a container."""
    return parse_json(files.bytes(at), f"{files.where}: {files.key(at)}")


def parse_json(data: bytes, where: str) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    UsageError
        When it is none.
    """
    try:
        return json.loads(data)
    except ValueError as error:
        raise UsageError(f"{where} is not JSON ({error}); copy or download it again.") from error


def absent(names: Sequence[str], source: str, files: Container) -> Iterator[Refused]:
    """Yield one refusal for all samples that annotations name and the container lacks."""
    if names:
        more = f", nor are {len(names) - 1} more" if len(names) > 1 else ""
        yield Refused(names[0], f"{source} names it and it is not below {files.where}{more}")
