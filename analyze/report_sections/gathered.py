"""What all sections of a report are made of."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import polars as pl

from analyze.applicable import default_rows
from analyze.named.material import Drawn
from analyze.score import Scored
from analyze.seen import Seen
from analyze.stand_ins import NOBODY, Cast
from analyze.table import finite
from manifests.schema import Dataset, Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Results, what was seen of images, and what was asked for.

    Attributes
    ----------
    scored, seen
        What `score` found, and what was taken of images on the way.
    words
        The options that chose it, as they stand on a command line.
    datasets
        Manifests of datasets.
    study
        The study that was asked for.
    claims
        Answers to the papers' findings (`claims.answers_table`); empty where none was asked.
    named
        Figures and tables of the papers, drawn: (module, what it drew), or (module, why it could not).
    coverage
        Which groups have numbers on which test sets.
    cast
        Who plays the parts that figures and findings of the papers name. All other tables have the sets' own ids.
    """

    scored: Scored
    seen: Seen
    words: tuple[str, ...]
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    study: Study | None = None
    claims: pl.DataFrame = field(default_factory=pl.DataFrame)
    named: tuple[tuple[ModuleType, Drawn | str], ...] = ()
    coverage: Drawn | None = None
    cast: Cast = NOBODY

    def table(self) -> pl.DataFrame:
        """Return the results; numbers that are none are null."""
        return finite(self.scored.table)

    def headline(self, metric: str) -> pl.DataFrame:
        """Return the rows of whole test sets under each one's default protocol: no set stands there twice."""
        rows = self.table().filter(pl.col("metric") == metric, pl.col("slice") == "all")
        return default_rows(rows, self.datasets)

    def models(self) -> tuple[tuple[str, str], ...]:
        """Return (id, group) of every model with numbers."""
        return tuple(self.scored.table.select("model", "group").unique().sort("model").rows())


def command(verb: Sequence[str], words: Sequence[str], more: Sequence[str] = ()) -> str:
    """Return a command line that can be copied into a shell.

    Examples
    --------
    >>> command(("report",), ("--model", "net-*"))
    "assay-analyze report --model 'net-*'"
    """
    return shlex.join(["assay-analyze", *verb, *words, *more])


def without(words: Sequence[str], option: str) -> tuple[str, ...]:
    """Return options without one of them and its value.

    Examples
    --------
    >>> without(("--model", "a", "--study", "s"), "--model")
    ('--study', 's')
    """
    skipped = {at + step for at, word in enumerate(words) if word == option for step in (0, 1)}
    return tuple(word for at, word in enumerate(words) if at not in skipped)


def percent(row: Mapping[str, Any]) -> str:
    """Write a rate with its interval.

    Examples
    --------
    >>> percent({"value": 0.5, "lo": 0.4, "hi": 0.6}), percent({"value": 0.5, "lo": None, "hi": None})
    ('50.0 % [40.0, 60.0]', '50.0 %')
    """
    if row["lo"] is None or row["hi"] is None:
        return f"{100 * row['value']:.1f} %"
    return f"{100 * row['value']:.1f} % [{100 * row['lo']:.1f}, {100 * row['hi']:.1f}]"
