"""One test set: what a complete copy of it looks like, and how to get one.

Knows no image: layouts and protocols are names, resolved elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pydantic.dataclasses import dataclass

from .terms import CLOSED, Count, Id, Role, Text


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Dataset:
    """A test set that the studies name, and what a complete copy of it looks like.

    Attributes
    ----------
    id, title
        Name of the set, and what it is in a few words.
    paper
        Citation without address.
    licence
        Licence or terms of use.
    obtain
        How to get the images, in one sentence.
    label_space
        Id of the label space of the labels; "" for a set without labels.
    role
        id (in-distribution), ood (out-of-distribution images without a class) or generic.
    count
        Expected number of images.
    known_counts
        Other counts that circulate, and which copy each belongs to.
    layouts
        Accepted arrangements of files, names of the indexer's layouts.
    protocols
        Ways to turn logits into decisions on this set; the first is the default.
    notes
        Traps.
    """

    id: Id
    title: Text
    paper: Text
    licence: Text | None = None
    obtain: Text
    label_space: str = ""
    role: Role
    count: Count | None = None
    known_counts: Mapping[str, Count] = field(default_factory=dict, hash=False)
    layouts: tuple[Text, ...] = ()
    protocols: tuple[Text, ...] = ()
    notes: str = ""
