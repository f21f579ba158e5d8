"""Self-digested JSON: every document of the store ends with the sha256 of its own canonical rest.

Bytes in, values out. Which file they came from is only a name for the error message.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from manifests.canonical import canonical_json

from .errors import FormatVersionError, IntegrityError

FORMAT = 1
"""The version of the on-disk format that this code writes, and the only one it reads."""

Document = dict[str, Any]


def seal(sort: str, body: Document) -> bytes:
    """Turn a body into the bytes of a document.

    Raises
    ------
    ValueError
        When the body uses a key that every document has.

    Examples
    --------
    >>> unseal(seal("run", {"host": "gpu-1"}), "run", "runs/x.json")
    {'host': 'gpu-1'}
    """
    if reserved := {"format", "sort", "digest"} & body.keys():
        raise ValueError(f"a document's body may not hold the keys {sorted(reserved)}")
    rest = {"format": FORMAT, "sort": sort, **body}
    sealed = {**rest, "digest": hashlib.sha256(canonical_json(rest)).hexdigest()}
    # Indented for people and diffs; the digest is of the canonical spelling, so the layout is free.
    return (json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def document_digest(sort: str, body: Document) -> str:
    """Return the digest that `seal` would write."""
    return hashlib.sha256(canonical_json({"format": FORMAT, "sort": sort, **body})).hexdigest()


def unseal(data: bytes, sort: str, where: str) -> Document:
    """Return the body of a document after checking version, sort and digest.

    Raises
    ------
    FormatVersionError
        When the document says another format version.
    IntegrityError
        When it is not JSON, of another sort, or unequal to its digest.
    """
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(where, f"not readable as JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise damaged(where, f"expected a JSON object, got {type(parsed).__name__}")
    version = parsed.get("format")
    # The version comes before the digest: another version may digest in another way.
    if isinstance(version, int) and not isinstance(version, bool) and version != FORMAT:
        raise FormatVersionError(
            f"{where} is of format version {version}; this clip-assay reads version {FORMAT}. "
            "Install the release that wrote the store, or extract into a new one (--store)."
        )
    claimed = parsed.pop("digest", None)
    try:
        actual = hashlib.sha256(canonical_json(parsed)).hexdigest()
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged(where, str(error)) from error
    if claimed != actual:
        raise damaged(where, f"digest is {actual}, the file says {claimed}")
    body = {key: value for key, value in parsed.items() if key not in ("format", "sort")}
    if parsed.get("sort") != sort:
        raise damaged(where, f"expected a {sort} document, got {parsed.get('sort')!r}")
    return body


def damaged(where: str, what: str) -> IntegrityError:
    """Say that a file cannot be believed, and what to do."""
    return IntegrityError(
        f"{where}: {what}. Nothing was computed from it. "
        "Run `assay-cache check` for the whole list and `assay-cache repair` to quarantine damaged data, "
        "or copy the file again from a good copy of the store."
    )
