"""What every container answers: how many files, what each is called, what is in it, and where it can be found again.

Nothing is copied out of a container: a `Place` says where the bytes of an image are, in terms that last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .names import Refused

Value = str | int | float | bool | list[int] | list[float] | list[str] | None
"""What a container or an annotation may say of a sample, besides its class."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of one image are on this machine.

    path
        The file that holds them, absolute.
    offset, size
        Their range in that file; size -1 is the whole file.
    member
        "" where the range holds the image as it is; else how to get it: `deflate` (compressed range), or
        `hdf5:ROW:DATASET`, `parquet:ROW:COLUMN`, which need no range.
    """

    path: str
    offset: int = 0
    size: int = -1
    member: str = ""

    @property
    def whole(self) -> bool:
        """Whether the image is a file of its own."""
        return self.size < 0 and not self.member


class Container(Protocol):
    """Files in natural order, whatever holds them.

    name
        What the outermost folder is called: the folder itself, or the one that an archive wraps its files in.
    where
        How messages name the container.
    refused
        What was found and cannot be taken.
    """

    name: str
    where: str
    refused: Sequence[Refused]

    def __len__(self) -> int:
        """Return the number of files, images or not."""
        ...

    def key(self, at: int) -> str:
        """Return the path of a file below the container's root, with `/`."""
        ...

    def bytes(self, at: int) -> bytes:
        """Return a file's bytes."""
        ...

    def label(self, at: int) -> Mapping[str, str]:
        """Return what the container itself says of the class: any of `class_index`, `wnid`, `label`; mostly nothing."""
        ...

    def extra(self, at: int) -> Mapping[str, Value]:
        """Return what else the container itself says; mostly nothing."""
        ...

    def place(self, at: int) -> Place:
        """Return where the bytes are."""
        ...
