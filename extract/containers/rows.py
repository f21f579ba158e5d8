"""What row-wise containers share: rows with a name, a place and a class, sorted by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cache.files import Disk
from manifests.errors import UsageError

from .names import Refused, path_key
from .places import read_place
from .protocol import Place, Value


@dataclass(frozen=True, slots=True)
class Row:
    """One row that holds an encoded image."""

    key: str
    place: Place
    label: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Value] = field(default_factory=dict)


class Rows:
    """Rows as a container.

    Raises
    ------
    UsageError
        When two rows have one name.
    """

    def __init__(
        self, name: str, where: str, rows: Sequence[Row], refused: Sequence[Refused] = (), ordered: bool = False
    ) -> None:
        self.name = name
        self.where = where
        self.refused: Sequence[Refused] = tuple(refused)
        self._rows = list(rows) if ordered else sorted(rows, key=lambda row: path_key(row.key))
        seen: set[str] = set()
        for row in self._rows:
            if row.key in seen:
                raise UsageError(f"{where}: two rows are called {row.key!r}; sample names are unique.")
            seen.add(row.key)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def key(self, at: int) -> str:
        """Return a row's name."""
        return self._rows[at].key

    def bytes(self, at: int) -> bytes:
        """Return a row's encoded image."""
        return read_place(Disk(), self._rows[at].place)

    def label(self, at: int) -> Mapping[str, str]:
        """Return what the row says of its class."""
        return self._rows[at].label

    def extra(self, at: int) -> Mapping[str, Value]:
        """Return the row's other columns."""
        return self._rows[at].extra

    def place(self, at: int) -> Place:
        """Return where the bytes are."""
        return self._rows[at].place


def row_name(row: int) -> str:
    """Name a row that has no name of its own.

    Examples
    --------
    >>> row_name(17)
    '00000017.image'
    """
    return f"{row:08d}.image"
