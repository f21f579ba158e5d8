"""Files that the user names: read once, so that what is hashed is what is parsed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UsageError


@dataclass(frozen=True, slots=True)
class Source:
    """One file.

    name
        Its name without folder; all that is kept of its place.
    """

    name: str
    data: bytes
    sha256: str

    @property
    def suffix(self) -> str:
        """Its ending, in lower case."""
        return Path(self.name).suffix.lower()


def read_sources(paths: Sequence[Path]) -> tuple[Source, ...]:
    """Read files, in the order given.

    Raises
    ------
    UsageError
        When there is none, one cannot be read, or one is given twice (by content).
    """
    if not paths:
        raise UsageError("ingest needs at least one FILE of numbers.")
    found: dict[str, Source] = {}
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error.strerror or error}).") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest in found:
            raise UsageError(f"{path} holds the same bytes as {found[digest].name}; give each file once.")
        found[digest] = Source(path.name, data, digest)
    return tuple(found.values())
