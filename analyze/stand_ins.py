"""A study's sets, models and prompt sets in the parts that figures and claims of others name.

Recasts tables of results before named figures and claims look at them, and says who plays what. Knows columns and
names; no figure, no claim. Models keep their own ids: whoever names one by id asks who plays it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import polars as pl

from manifests.schema import Dataset, StandIns, Study
from manifests.stand_ins import KINDS

COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dataset": "datasets",
        "id_dataset": "datasets",
        "first": "datasets",
        "second": "datasets",
        "prompt_set": "prompts",
    }
)
"""Columns of results, bins and overlaps that hold ids, and whose they are. A player's rows replace its part's own."""

FACTS: Final[Mapping[str, str]] = MappingProxyType(
    {"training_source": "sources", "training_dataset": "training_datasets", "fine_tuning": "fine_tunings"}
)
"""Columns that hold what is known of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays what in the figures and claims of a study.

    Attributes
    ----------
    study
        Id of the study whose sets play; "" where everything plays itself.
    stand_ins
        Its parts and players.

    Examples
    --------
    >>> drawn = StandIns(note="Drawn shapes.", datasets={"imagenet-val": "shapes"})
    >>> cast = Cast(study="toys", stand_ins=drawn)
    >>> cast.dataset("imagenet-val"), cast.dataset("sun"), cast.part("shapes")
    ('shapes', 'sun', 'imagenet-val')
    >>> cast.sentence()
    'Stand-ins: the test sets named here are played by those of study toys. Drawn shapes.'
    """

    study: str = ""
    stand_ins: StandIns = field(default_factory=StandIns)

    def __bool__(self) -> bool:
        """Tell whether anything is played by something else."""
        return bool(self.stand_ins)

    def dataset(self, part: str) -> str:
        """Return the dataset that plays a part."""
        return self.stand_ins.datasets.get(part, part)

    def prompt_set(self, part: str) -> str:
        """Return the prompt set that plays a part."""
        return self.stand_ins.prompts.get(part, part)

    def part(self, player: str, kind: str = "datasets") -> str:
        """Return what a dataset, or a player of another kind in `KINDS`, plays; itself where it plays nothing."""
        return _parts(self.stand_ins.of(kind)).get(player, player)

    def model(self, part: str, here: Collection[str]) -> str | None:
        """Return the model that plays a part.

        A model that is here plays itself unless another does. Where a study has stand-ins for models, one that nobody
        plays and that is not here is None: its place in a table stays out.
        """
        models = self.stand_ins.models
        if not models:
            return part
        return models.get(part, part if part in here else None)

    def recast(self, table: pl.DataFrame) -> pl.DataFrame:
        """Give datasets and prompt sets of a table the names of their parts.

        Rows that carry a part's name already are left out: its player stands for it.

        Examples
        --------
        >>> drawn = StandIns(note="Drawn.", datasets={"sun": "sky"})
        >>> Cast(study="toys", stand_ins=drawn).recast(pl.DataFrame({"dataset": ["sun", "sky", "own"]})).rows()
        [('sun',), ('own',)]
        """
        for column, kind in COLUMNS.items():
            parts = _parts(self.stand_ins.of(kind))
            if column not in table.columns or not parts:
                continue
            replaced = [part for player, part in parts.items() if player != part]
            table = table.filter(~pl.col(column).is_in(replaced).fill_null(value=False))
            table = table.with_columns(pl.col(column).cast(pl.String).replace(parts))
        return table

    def recast_facts(self, table: pl.DataFrame) -> pl.DataFrame:
        """Give what is known of models (`FACTS`) the names of its parts."""
        named = [
            pl.col(column).replace(parts)
            for column, kind in FACTS.items()
            if column in table.columns and (parts := _parts(self.stand_ins.of(kind)))
        ]
        return table.with_columns(named)

    def manifests(self, datasets: Mapping[str, Dataset]) -> Mapping[str, Dataset]:
        """Return manifests of datasets in which each part has that of its player."""
        played = {part: datasets[player] for part, player in self.stand_ins.datasets.items() if player in datasets}
        return {**datasets, **played} if played else datasets

    def sentence(self) -> str:
        """Say in captions and notes that names stand for others; "" where everything plays itself."""
        if not self:
            return ""
        kinds = [f"{words}s" for kind, words in KINDS.items() if self.stand_ins.of(kind)]
        listed = f"{', '.join(kinds[:-1])} and {kinds[-1]}" if len(kinds) > 1 else kinds[0]
        return f"Stand-ins: the {listed} named here are played by those of study {self.study}. {self.stand_ins.note}"


NOBODY: Final = Cast()
"""Everything plays itself."""


def cast_of(study: Study | None) -> Cast:
    """Return the cast of a study; of none, or of one without stand-ins, that in which everything plays itself."""
    return NOBODY if study is None or not study.stand_ins else Cast(study=study.id, stand_ins=study.stand_ins)


def told(text: str, cast: Cast) -> str:
    """Return a caption or label with the sentence that says who plays.

    Examples
    --------
    >>> told("Accuracy.", NOBODY)
    'Accuracy.'
    """
    return f"{text} {cast.sentence()}".strip() if cast else text


def _parts(players: Mapping[str, str]) -> dict[str, str]:
    return {player: part for part, player in players.items()}
