"""One label space: what the columns of a logit array mean.

Knows no array; a column is a position in `keys`.
"""

from __future__ import annotations

from pydantic import ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from .errors import UsageError
from .terms import CLOSED, Id, Text, Texts, repeated


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
    """

    id: Id
    title: Text
    source: Text
    keys: Texts
    names: tuple[Text, ...]

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
