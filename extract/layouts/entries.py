"""What a layout yields: samples with a place and the words that say their class. No hashing, no class indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from extract.containers.names import SUFFIXES, Refused, natural_key
from extract.containers.protocol import Container, Place, Value
from manifests.schema import Dataset, FactorSet, LabelSpace

from .labels_file import LabelRow

__all__ = ["SUFFIXES", "Ask", "Entry", "Found", "Place", "Reader", "Refused", "Value", "natural_key"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample before hashing.

    sample
        Unique name within the dataset: the path below the root, with `/`.
    place
        Where the bytes are; None for a sample that is only listed.
    keys
        Any of `class_index`, `wnid`, `label`: what the source says of the class.
    extra
        The set's own columns.
    accepted
        Every class that counts as right, each as `keys` are; None where `keys` say all there is. May be empty.
    listed_as
        What lists that come without images call the sample; "" where that is `sample`.
    beside
        Files that numbers of the sample rest on as they do on the image, such as a depth map: the column that will
        hold the sha256 of its bytes -> where it is; None where it is missing.
    """

    sample: str
    place: Place | None
    keys: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Value] = field(default_factory=dict)
    accepted: Sequence[Mapping[str, str]] | None = None
    listed_as: str = ""
    beside: Mapping[str, Place | None] = field(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """The file that holds the bytes."""
        return None if self.place is None else Path(self.place.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a reader is given.

    dataset
        Id of the set.
    files
        The container behind --root; None where samples are only listed.
    manifest, factors
        What the manifests say of the set, and of its annotated factors.
    labels
        Rows of --labels by relative path.
    annotations
        --annotations: a file or a folder of them.
    label_space
        --label-space.
    space
        The classes of the set: those of --label-space, else of its manifest; None where nothing says.
    """

    dataset: str
    files: Container | None = None
    manifest: Dataset | None = None
    factors: FactorSet | None = None
    labels: Mapping[str, LabelRow] | None = None
    annotations: Path | None = None
    label_space: str = ""
    space: LabelSpace | None = None

    @property
    def count(self) -> int:
        """How many classes a class index can name: ImageNet's 1,000 where nothing else is said."""
        return 1000 if self.space is None else len(self.space.keys)


Found = Entry | Refused
Reader = Callable[[Ask], Iterator[Found]]
