"""One label space: what the columns of a logit array mean.

Knows no array; a column is a position in `keys`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from .errors import UsageError
from .terms import CLOSED, Id, Text, Texts, repeated

Column: TypeAlias = Annotated[int, Field(strict=True, ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class LabelSpace:
    """The meaning of the columns of a logit array: one key and one class name a column, in column order.

    Attributes
    ----------
    id, title
        Name of the space, and what it is in a few words.
    source
        Where keys and names were taken from.
    keys
        WordNet ids or ids of the dataset's own; unique.
    names
        Class names for prompts. They may repeat: two ImageNet classes are both called "missile".
    over
        Id of the label space whose columns make up these classes; "" for a space of its own.
    members
        For each class its columns in `over`, ascending; no column stands for two classes.
    by_own_names
        Whether zero-shot models are asked for these classes by their names, and not for those that they are made of.
    """

    id: Id
    title: Text
    source: Text
    keys: Texts
    names: tuple[Text, ...]
    over: str = ""
    members: tuple[tuple[Column, ...], ...] = ()
    by_own_names: bool = False

    @field_validator("keys")
    @classmethod
    def _unique(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if twice := repeated(keys):
            raise ValueError(f"{len(twice)} key(s) repeat, first {twice[0]!r}; a key names one column")
        return keys

    @field_validator("names")
    @classmethod
    def _one_a_key(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        keys = info.data.get("keys", names)
        if len(names) != len(keys):
            raise ValueError(f"expected one name a key ({len(keys)}), got {len(names)}")
        return names

    @field_validator("members")
    @classmethod
    def _disjoint(cls, members: tuple[tuple[int, ...], ...], info: ValidationInfo) -> tuple[tuple[int, ...], ...]:
        over, keys = info.data.get("over", ""), info.data.get("keys", members)
        if bool(over) != bool(members):
            raise ValueError("over and members go together: which space, and which of its columns make up each class")
        if members and len(members) != len(keys):
            raise ValueError(f"expected the columns of each key ({len(keys)}), got {len(members)} lists")
        for key, columns in zip(keys, members, strict=True) if members else ():
            if not columns or list(columns) != sorted(set(columns)):
                raise ValueError(f"{key}: expected at least one column, ascending, none twice; got {list(columns)}")
        every = [column for columns in members for column in columns]
        if shared := sorted({column for column in every if every.count(column) > 1}):
            raise ValueError(f"column {shared[0]} stands for more than one class")
        return members

    def positions(self) -> dict[str, int]:
        """Column of every key; build it once to look up many."""
        return {key: column for column, key in enumerate(self.keys)}

    def index_of(self, key: str) -> int:
        """Column of one key.

        Raises
        ------
        UsageError
            If the space has no such key.

        Examples
        --------
        >>> pets = LabelSpace(id="pets", title="Pets", source="none", keys=("cat", "dog"), names=("a cat", "a dog"))
        >>> pets.index_of("dog")
        1
        """
        try:
            return self.keys.index(key)
        except ValueError:
            span = f"{self.keys[0]!r} to {self.keys[-1]!r}"
            raise UsageError(f"label space {self.id} has {len(self.keys)} keys, {span}; none is {key!r}") from None
