"""The vocabulary of manifests: closed word lists, ids, and the types that fields share.

Knows no entry; says what one value may be.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, ConfigDict, Field

Library: TypeAlias = Literal["timm", "open_clip", "prismatic", "transformers"]
Group: TypeAlias = Literal["zero-shot-clip", "clip-ft", "standard", "more-data", "contrastive", "mae", "vlm", "other"]
Obtain: TypeAlias = Literal["hub", "gated", "user-made", "separate-env", "package"]
Role: TypeAlias = Literal["id", "ood", "generic"]
Kind: TypeAlias = Literal[
    "logits", "embeddings", "patches", "text", "heads", "matches", "records", "predictions", "scores"
]
GROUPS: tuple[Group, ...] = get_args(Group)
KINDS: tuple[Kind, ...] = get_args(Kind)

Items = TypeVar("Items", bound=tuple[Any, ...])

LONGEST_ID = 100  # leaves room for folder and suffix inside the store's 160 characters
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_id(text: str) -> str:
    """Return an id that is a legal file name on every system and a plain word on a command line.

    Raises
    ------
    ValueError
        For other characters than ``[A-Za-z0-9._-]``, a first one that is not a letter or digit, a last one that is a
        full stop, more than 100 characters, or a device name of Windows (``con``, ``nul.pypi``).

    Examples
    --------
    >>> check_id("ViT-B-32.laion2b_s34b_b79k")
    'ViT-B-32.laion2b_s34b_b79k'
    """
    if not _ID.fullmatch(text):
        raise ValueError(f"an id is letters, digits, '.', '_' and '-', and begins with a letter or digit; got {text!r}")
    if text.endswith(".") or _DEVICE.fullmatch(text):
        raise ValueError(f"Windows cannot have a file of this name; got {text!r}")
    if len(text) > LONGEST_ID:
        raise ValueError(f"an id has at most {LONGEST_ID} characters; got {len(text)}")
    return text


def repeated(items: tuple[str, ...]) -> list[str]:
    """The items that occur more than once, sorted.

    Examples
    --------
    >>> repeated(("a", "b", "a"))
    ['a']
    """
    return sorted(item for item, times in Counter(items).items() if times > 1)


def not_empty(items: Items) -> Items:
    """Return a sequence that holds something.

    A validator of the finished value, because a minimum length of the field would count only the items that are sound
    and so complain twice of one wrong item.

    Raises
    ------
    ValueError
        For an empty one.

    Examples
    --------
    >>> not_empty(("a",))
    ('a',)
    """
    if not items:
        raise ValueError("expected at least one item, got none")
    return items


Id: TypeAlias = Annotated[str, AfterValidator(check_id)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=1)]
Texts: TypeAlias = Annotated[tuple[Text, ...], AfterValidator(not_empty)]
Millions: TypeAlias = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Fraction: TypeAlias = Annotated[float, Field(strict=True, ge=0, le=1)]
Channels: TypeAlias = tuple[Fraction, Fraction, Fraction]

CLOSED = ConfigDict(extra="forbid", validate_default=True)
