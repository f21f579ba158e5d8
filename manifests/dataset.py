"""One test set: what a complete copy of it looks like, and how to get one.

Knows no image: layouts and protocols are names, resolved elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, TypeAlias, get_args

from pydantic import field_validator
from pydantic.dataclasses import dataclass

from .terms import CLOSED, Count, Id, Role, Text, Texts

Layout: TypeAlias = Literal[
    "folder",
    "listing",
    "imagenet-val-wnid",
    "imagenet-val-flat",
    "imagenet-v2-folders",
    "wnid-folders",
    "objectnet",
    "vid-robust",
    "cue-conflict-mvh",
    "cue-conflict-texture",
    "imagenet-x-annotations",
    "imagenet-real",
    "ood-folder",
    "large-scale-ood",
    "textures",
    "ninco",
    "openimage-o",
    "shot-list",
    "karpathy",
    "retrieval-annotations",
    "navi",
    "scannet-1500",
    "spair-71k",
    "imagenet-3dcc",
    "imagenet-d",
]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""Arrangements of files that an indexer can read; `extract` holds one reader for each."""

PIXEL_STEPS: Mapping[str, frozenset[str]] = {"trim-border": frozenset({"pixels"}), "ready-made": frozenset({"size"})}
"""Steps that a set asks for before a model's own preprocessing, and their parameters: whole numbers of pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Options:
    """Where the options of questions come from: the right class and those that a selection model finds most likely.

    Attributes
    ----------
    lists
        Ids of the selection models.
    prompts
        Id of the prompt set by which zero-shot ones select.
    """

    lists: Texts
    prompts: Text


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
        Id of the label space of the labels; "" for a set without labels. Of a set out of distribution: the classes
        that it is looked at by; "" for ImageNet's.
    role
        id (in-distribution), ood (out-of-distribution images without a class) or generic.
    count
        Expected number of images.
    counts
        Expected numbers of other things: classes, anchors, captions, pairs, images of a slice.
    known_counts
        Other numbers of images that circulate: which copy -> how many.
    layouts
        Accepted arrangements of files.
    protocols
        Ways to turn logits into decisions on this set; the first is the default. `<c>-way` is all columns; `own-...`
        goes by the label space of the set itself: own-classes, own-classes-lse, own-names, own-member, own-any-of,
        own-pm0, own-pm10 (frames around an anchor), own-cue, own-cue-sum, own-cue-max (shape and texture).
    view
        How the files become samples, labels and columns, in a sentence or two.
    slices
        Columns whose values part the set into slices, joined by "/": `corruption/severity` makes `fog_3d/3`, say.
    over
        Id of the set whose images this one names again with other labels or columns; "" for a set of its own.
    pixel_step
        What is done to the pixels before a model's own preprocessing: `op` and its parameters. It makes another
        feature space of the same model.
    leave_out
        Classes (folders) of the common archive that are not part of this set.
    readings
        Other accepted extents of the set: name -> classes that this reading leaves out.
    class_means
        Out of distribution: whether results are told class by class as well, and as means over classes.
    options
        Questions with four options that are asked about the images; None for a set without.
    geometry
        Size at which patches are matched, `native` or `HEIGHTxWIDTH`; "" for the usual one of its scheme of pairs.
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
    counts: Mapping[str, Count] = field(default_factory=dict, hash=False)
    known_counts: Mapping[str, Count] = field(default_factory=dict, hash=False)
    layouts: tuple[Layout, ...] = ()
    protocols: tuple[Text, ...] = ()
    view: str = ""
    slices: tuple[Text, ...] = ()
    over: str = ""
    pixel_step: Mapping[str, Text | Count] | None = field(default=None, hash=False)
    leave_out: tuple[Text, ...] = ()
    readings: Mapping[str, Texts] = field(default_factory=dict, hash=False)
    class_means: bool = False
    options: Options | None = None
    geometry: str = ""
    notes: str = ""

    @field_validator("slices")
    @classmethod
    def _column_names(cls, slices: tuple[str, ...]) -> tuple[str, ...]:
        for columns in slices:
            if not all(columns.split("/")):
                raise ValueError(f"expected columns joined by '/', such as corruption/severity; got {columns!r}")
        return slices

    @field_validator("geometry")
    @classmethod
    def _size(cls, geometry: str) -> str:
        if geometry and not re.fullmatch(r"native|[1-9]\d*x[1-9]\d*", geometry):
            raise ValueError(f"expected native or HEIGHTxWIDTH such as 512x512; got {geometry!r}")
        return geometry

    @field_validator("pixel_step")
    @classmethod
    def _known_step(cls, step: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if step is None:
            return step
        wanted = PIXEL_STEPS.get(step.get("op", ""))
        numbers = {key for key, value in step.items() if isinstance(value, int)}
        if wanted is None or {"op", *wanted} != set(step) or numbers != wanted:
            steps = " or ".join(f"op = {op!r} with {', '.join(sorted(keys))}" for op, keys in PIXEL_STEPS.items())
            raise ValueError(f"expected {steps} (whole pixels); got {dict(step)}")
        return step

    def count_note(self, images: int) -> str:
        """Compare a number of images with what is known of the set; "" where there is nothing to say.

        A mismatch is worth a warning and no more: copies differ, and a part of a set is a fair thing to index.

        Examples
        --------
        >>> pets = Dataset(id="pets", title="Pets", paper="none", obtain="ask", role="generic", count=100,
        ...                known_counts={"without the fish": 90})
        >>> pets.count_note(100)
        ''
        >>> pets.count_note(90)
        'pets: 90 images where 100 are expected; that is the copy "without the fish".'
        >>> pets.count_note(91)
        'pets: 91 images where 100 are expected; also known are 90 (without the fish). Is the copy complete?'
        """
        if self.count is None or images == self.count:
            return ""
        said = f"{self.id}: {images:,} images where {self.count:,} are expected"
        for which, known in self.known_counts.items():
            if images == known:
                return f'{said}; that is the copy "{which}".'
        others = ", ".join(f"{known:,} ({which})" for which, known in self.known_counts.items())
        return f"{said}{f'; also known are {others}' if others else ''}. Is the copy complete?"
