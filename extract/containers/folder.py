"""A folder with everything below it, in natural order; links that leave it are refused unless wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cache.files import Disk

from .names import Refused, is_image, is_text, natural_key, shown
from .places import read_place
from .protocol import Place, Value

LEAVES = "a link that leaves --root (--follow-links takes such files)"


class Folder:
    """The files below a folder.

    Parameters
    ----------
    root
        The folder.
    follow_links
        Take what links find outside it.
    """

    def __init__(self, root: Path, follow_links: bool = False) -> None:
        self.name = root.resolve().name
        self.where = str(root)
        self._root = str(root.absolute())
        self._keys: list[str] = []
        self._refused: list[Refused] = []
        inside = root.resolve()
        for key in self._walk(root, "", None if follow_links else inside, frozenset({inside})):
            self._keys.append(key)
        self.refused: Sequence[Refused] = tuple(self._refused)

    def _walk(self, folder: Path, prefix: str, inside: Path | None, above: frozenset[Path]) -> Iterator[str]:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: natural_key(entry.name))
        for entry in entries:
            key = prefix + entry.name
            if entry.is_dir():
                real = Path(entry.path).resolve()
                if inside is not None and not real.is_relative_to(inside):
                    # Named once and not entered: a link to / would be a walk over the whole disk.
                    self._refuse(key, LEAVES)
                elif real not in above:
                    # A link to a folder that is being walked already would go round for ever.
                    yield from self._walk(Path(entry.path), f"{key}/", inside, above | {real})
            elif self._takes(entry, key, inside):
                yield key

    def _takes(self, entry: os.DirEntry[str], key: str, inside: Path | None) -> bool:
        image = is_image(entry.name)
        # Only a link can leave: the folder that holds it was found to be inside.
        leaves = inside is not None and entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(inside)
        if not is_text(key):
            why = "its name is not valid Unicode; rename it"
        elif leaves:
            why = LEAVES
        elif not entry.is_file():
            why = "not a file that can be opened"
        else:
            return True
        if image:
            self._refuse(key, why)
        return False

    def _refuse(self, key: str, why: str) -> None:
        self._refused.append(Refused(shown(key), why))

    def __len__(self) -> int:
        """Return the number of files, images or not."""
        return len(self._keys)

    def key(self, at: int) -> str:
        """Return the path of a file below the root, with `/`."""
        return self._keys[at]

    def bytes(self, at: int) -> bytes:
        """Return a file's bytes."""
        return read_place(Disk(), self.place(at))

    def label(self, at: int) -> Mapping[str, str]:
        """Return nothing: what a folder's name means is the layout's business."""
        return {}

    def extra(self, at: int) -> Mapping[str, Value]:
        """Return nothing."""
        return {}

    def place(self, at: int) -> Place:
        """Return where the bytes are."""
        return Place(f"{self._root}/{self._keys[at]}")
