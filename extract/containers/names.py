"""Names of files inside a container: their order, which are images, and which are refused.

Knows text only, no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".gif", ".webp", ".tif", ".tiff", ".image"})
"""File name endings that are taken for images (`.image` names a row without a name of its own)."""

_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was found and not taken, and why."""

    sample: str
    why: str


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort numbers inside names by value: "2" before "10".

    Examples
    --------
    >>> sorted(["10", "1", "2", "b"], key=natural_key)
    ['1', '2', '10', 'b']
    """
    parts = _DIGITS.split(text)
    # Digits beyond ASCII (superscripts, other scripts) are letters here: int() refuses some of them.
    return tuple((0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part)


def path_key(key: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Sort paths as a walk over folders does: folder by folder, names naturally.

    Examples
    --------
    >>> sorted(["a/10.jpg", "a b/1.jpg", "a/9.jpg"], key=path_key)
    ['a/9.jpg', 'a/10.jpg', 'a b/1.jpg']
    """
    return tuple(natural_key(part) for part in key.split("/"))


def is_image(key: str) -> bool:
    """Tell whether a name is that of an image; macOS's `._` shadows are not.

    Examples
    --------
    >>> is_image("a/B.JPEG"), is_image("a/._B.JPEG"), is_image("a/B.json")
    (True, False, False)
    """
    name = key.rpartition("/")[2]
    # The dot of a hidden file begins no suffix.
    return name.rfind(".") > 0 and f".{name.rpartition('.')[2].lower()}" in SUFFIXES and not name.startswith("._")


def is_text(name: str) -> bool:
    """Tell whether a name is Unicode: Linux takes any bytes for one, the store keeps names as UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    """Spell a name that is no Unicode."""
    return name.encode("utf-8", "replace").decode()


def member_key(name: str) -> str | None:
    """Return the key of an archive's member, or None for a name that leads out of the archive.

    Examples
    --------
    >>> member_key("./a//b.jpg"), member_key("../../x"), member_key("/etc/x"), member_key("C:/x")
    ('a/b.jpg', None, None, None)
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or re.match(r"[A-Za-z]:", parts[0]):
        return None
    return "/".join(parts)


def wrapping(keys: Iterable[str]) -> str:
    """Return the one folder that an archive wraps all its files in, with its slash; "" where there is none.

    Examples
    --------
    >>> wrapping(["photos/cat/1.jpg", "photos/dog/2.jpg"]), wrapping(["cat/1.jpg", "dog/2.jpg"])
    ('photos/', '')
    """
    top = ""
    for key in keys:
        first, slash, _ = key.partition("/")
        if not slash or (top and top != first):
            return ""
        top = first
    return f"{top}/" if top else ""
