"""One set of annotated factors: which there are, and the readings of the annotations that count.

Knows no annotation; says in which column each factor stands and how many images a reading has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Literal

from pydantic import AfterValidator, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from .terms import CLOSED, Count, Id, Text, Texts, repeated


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := repeated(names):
        raise ValueError(f"{len(twice)} name(s) repeat, first {twice[0]!r}; a factor is one column")
    return names


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Reading:
    """One way to read the annotations.

    Attributes
    ----------
    annotations
        Name of the file, one JSON object an image.
    prototypes
        Whether the prototypical images, which annotators compared with, are kept or removed.
    images
        How many images are left, with or without a factor.
    counts
        How many images have each factor.
    """

    annotations: Text
    prototypes: Literal["kept", "removed"]
    images: Count
    counts: Mapping[str, Count] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class FactorSet:
    """The factors of one collection of annotations, in the order of their columns.

    Attributes
    ----------
    id, title
        Name of the set, and what it is in a few words.
    source
        Where the annotations come from.
    licence
        Licence of the annotations, which are not part of this project.
    factors
        Names of the columns, in their order.
    prototype_list
        Name of the file that lists the prototypical images.
    metaclass_list
        Name of the file whose n-th row holds the metaclass of class n.
    metaclasses
        Names in it that count; every other is one more metaclass, "other".
    readings
        Id of a dataset -> how it reads the annotations.
    """

    id: Id
    title: Text
    source: Text
    licence: Text
    factors: Annotated[Texts, AfterValidator(_distinct)]
    prototype_list: Text
    metaclass_list: str = ""
    metaclasses: Annotated[tuple[Text, ...], AfterValidator(_distinct)] = ()
    readings: Mapping[Id, Reading] = field(hash=False)

    @field_validator("readings")
    @classmethod
    def _count_each(cls, readings: Mapping[str, Reading], info: ValidationInfo) -> Mapping[str, Reading]:
        factors = info.data.get("factors")
        for name, reading in readings.items():
            if factors is not None and set(reading.counts) != set(factors):
                odd = sorted(set(reading.counts) ^ set(factors))
                raise ValueError(f"{name}: expected a count for each factor and no other; {odd[0]!r} is in one only")
        return readings

    def metaclass_of(self, listed: Sequence[str]) -> tuple[str, ...]:
        """Return the metaclass of each class, from the names that stand in the list, in the order of the classes.

        Examples
        --------
        >>> from manifests.catalogue import load
        >>> load().factors["imagenet-x"].metaclass_of(["fish", "bird", "dog"])
        ('other', 'bird', 'dog')
        """
        known = frozenset(self.metaclasses)
        return tuple(name if name in known else "other" for name in listed)
