"""What archives share: members with a range each, sorted as a folder would be, and unwrapped.

Members that lead out of the archive, links and doubles are refused; nothing is ever unpacked to disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from cache.files import Disk

from .names import Refused, is_image, is_text, member_key, path_key, shown, wrapping
from .places import read_place
from .protocol import Place, Value

OUTSIDE = "its name leads out of the archive; such members are never taken"


class Archive:
    """Members of one archive, or of the shards of one set.

    Parameters
    ----------
    members
        Name and place of each, or a name and why it cannot be taken.
    unwrap
        Leave away the one folder that holds everything, as unpacking and naming that folder --root would.
    """

    def __init__(self, name: str, where: str, members: Iterable[tuple[str, Place | str]], unwrap: bool) -> None:
        taken: dict[str, Place] = {}
        refused: list[Refused] = []
        for raw, place in members:
            key = member_key(raw) if is_text(raw) else None
            image = is_image(raw)
            if isinstance(place, str) or key is None or key in taken:
                if image or key is None:
                    refused.append(Refused(shown(raw), _why(raw, key, place)))
                continue
            if not key.startswith("__MACOSX/"):
                taken[key] = place
        prefix = wrapping(taken) if unwrap else ""
        self.name = prefix.rstrip("/") or name
        self.where = where
        self.refused: Sequence[Refused] = tuple(refused)
        self._keys = sorted((key.removeprefix(prefix) for key in taken), key=path_key)
        self._places = [taken[prefix + key] for key in self._keys]
        self._beside = _beside(self._keys)

    def __len__(self) -> int:
        """Return the number of members, images or not."""
        return len(self._keys)

    def key(self, at: int) -> str:
        """Return a member's name, unwrapped."""
        return self._keys[at]

    def bytes(self, at: int) -> bytes:
        """Return a member's bytes."""
        return read_place(Disk(), self._places[at])

    def label(self, at: int) -> Mapping[str, str]:
        """Return what a `.cls` member of the same name says, as webdataset writes it."""
        beside = self._beside.get(_stem(self._keys[at]))
        if beside is None:
            return {}
        text = self.bytes(beside).decode("utf-8", "replace").strip()
        return {"class_index" if text.isascii() and text.isdigit() else "label": text}

    def extra(self, at: int) -> Mapping[str, Value]:
        """Return nothing."""
        return {}

    def place(self, at: int) -> Place:
        """Return where the bytes are."""
        return self._places[at]


def _why(raw: str, key: str | None, place: Place | str) -> str:
    if not is_text(raw):
        return "its name is not valid Unicode; rename it"
    if key is None:
        return OUTSIDE
    return place if isinstance(place, str) else "another member has the same name"


def _stem(key: str) -> str:
    # webdataset: a sample is everything up to the first full stop of the last part.
    path = PurePosixPath(key)
    return str(path.with_name(path.name.split(".")[0] or path.name))


def _beside(keys: Sequence[str]) -> dict[str, int]:
    return {_stem(key): at for at, key in enumerate(keys) if key.endswith(".cls")}
