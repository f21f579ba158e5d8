"""Which images a preprocessing cannot take for their size, told from its op list before any pixel is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

LONGEST_SIDE: Final = 32_768
"""Pixels of the longest side that a resize may make; a strip of 1 x 30,000 would become gigabytes before its crop."""


def unfit(ops: Sequence[Mapping[str, Any]], width: int, height: int) -> tuple[str, str] | None:
    """Return the row status and its detail where an image's size is none that a preprocessing can take.

    Examples
    --------
    >>> unfit([{"op": "ready-made", "size": 224}], 224, 224) is None
    True
    >>> unfit([{"op": "ready-made", "size": 224}], 300, 224)
    ('wrong_size', '300 x 224 pixels; expected ready-made images of 224 x 224')
    >>> unfit([{"op": "resize", "edge": "shortest", "size": 224}], 1, 30_000)[0]
    'too_large'
    """
    for op in ops:
        if op["op"] == "ready-made" and (width, height) != (op["size"], op["size"]):
            return "wrong_size", f"{width} x {height} pixels; expected ready-made images of {op['size']} x {op['size']}"
        if op["op"] == "resize" and op.get("edge") == "shortest":
            size = op["size"]
            scale = size / min(width, height) if isinstance(size, int) else max(size[1] / width, size[0] / height)
            longest = round(max(width, height) * scale)
            if longest > LONGEST_SIDE:
                return "too_large", (
                    f"{width} x {height} pixels; its shorter side at {size} makes the longer one {longest}, "
                    f"more than {LONGEST_SIDE}"
                )
    return None
