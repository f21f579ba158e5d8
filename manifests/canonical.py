"""Canonical JSON and the digest of a value: how anything that affects a number gets a name.

One value has one byte string: sorted keys, no white space, UTF-8, shortest float spelling. The digest
carries a kind tag, so that a space and a request with equal content never share a name.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Encode a JSON value in its only accepted spelling.

    Parameters
    ----------
    value
        Nested dict (string keys), list, tuple, str, int, float, bool or None.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON does not have.
    TypeError
        For anything that is not a JSON value, or a key that is not a string.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [0.5, None]})
    b'{"a":[0.5,null],"b":1}'
    """
    _refuse_odd_keys(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _refuse_odd_keys(value: Any) -> None:
    # json.dumps turns the keys 1 and True into strings, so that two values would share a spelling.
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"canonical JSON keys are strings; got {key!r} ({type(key).__name__})")
            _refuse_odd_keys(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_odd_keys(item)


def digest(kind: str, value: Any) -> str:
    """Name a value: the sha256, in hex, of the canonical JSON of ``[kind, value]``.

    Examples
    --------
    >>> digest("space", {"library": "timm"})[:16]
    'ffbe0514bf3a4a8c'
    >>> digest("space", 1) == digest("request", 1)
    False
    """
    return hashlib.sha256(canonical_json([kind, value])).hexdigest()
