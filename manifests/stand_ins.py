"""Who plays what in a study that shows the figures of others: part -> player.

A figure or claim of a paper names test sets, models and prompt sets by id. A study of other sets can show it all the
same, if it says which of its own stand in for them. Knows pairs of names; that they exist is `references`' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass

from .terms import CLOSED, Id, Text

FACTS: Final[Mapping[str, str]] = MappingProxyType(
    {"sources": "training_source", "training_datasets": "dataset", "fine_tunings": "fine_tuning"}
)
"""Mappings between facts of models, and the key of a model's manifest that each is about."""

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "datasets": "test set",
        "models": "model",
        "prompts": "prompt set",
        "sources": "training source",
        "training_datasets": "training set",
        "fine_tunings": "fine-tuning",
    }
)
"""What the parts of each mapping are, in words."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class StandIns:
    """The cast of a study; without any mapping everything plays itself.

    Attributes
    ----------
    note
        One sentence for captions: what the players are.
    datasets, prompts
        Id that figures and claims name -> the study's own. Each plays one part.
    models
        The same for models. A model may play several parts, and keeps its own id wherever it is shown.
    sources, training_datasets, fine_tunings
        The same for what manifests of models say under ``training_source``, ``dataset`` and ``fine_tuning``. Each plays
        one part.

    Examples
    --------
    >>> cast = StandIns(note="Drawn shapes.", datasets={"imagenet-val": "shapes"})
    >>> bool(cast), bool(StandIns()), cast.pairs()
    (True, False, (('datasets', 'imagenet-val', 'shapes'),))
    """

    note: str = ""
    datasets: Mapping[Id, Id] = field(default_factory=dict, hash=False)
    models: Mapping[Id, Id] = field(default_factory=dict, hash=False)
    prompts: Mapping[Id, Id] = field(default_factory=dict, hash=False)
    sources: Mapping[Text, Text] = field(default_factory=dict, hash=False)
    training_datasets: Mapping[Text, Text] = field(default_factory=dict, hash=False)
    fine_tunings: Mapping[Text, Text] = field(default_factory=dict, hash=False)

    def __bool__(self) -> bool:
        """Tell whether anything is played by something else."""
        return bool(self.pairs())

    def of(self, kind: str) -> Mapping[str, str]:
        """Return one mapping by its name in `KINDS`."""
        found: Mapping[str, str] = getattr(self, kind)
        return found

    def pairs(self) -> tuple[tuple[str, str, str], ...]:
        """Return (mapping, part, player) of all mappings, in their order."""
        return tuple((kind, part, player) for kind in KINDS for part, player in self.of(kind).items())

    @field_validator("datasets", "prompts", *FACTS)
    @classmethod
    def _one_part_each(cls, pairs: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        parts: dict[str, str] = {}
        for part, player in pairs.items():
            if player in parts:
                raise ValueError(f"{player!r} plays {parts[player]!r} and {part!r}; its rows can have one name only")
            if player in pairs and player != part:
                raise ValueError(f"{player!r} plays {part!r} and is played by {pairs[player]!r}; name the last player")
            parts[player] = part
        return pairs

    @model_validator(mode="after")
    def _is_explained(self) -> StandIns:
        if self and not self.note:
            raise ValueError("expected a note, one sentence for captions that says what the players are; got none")
        return self
