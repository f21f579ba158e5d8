"""Parts of a dataset that get rows of their own: what its manifest names by column, and annotated factors.

Nothing is guessed from a table: a column makes slices because a manifest says so. Knows tables and manifests; measures
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manifests.schema import Dataset, FactorSet


@dataclass(frozen=True, slots=True)
class Slice:
    """A name, and the rows of the table that it means, ascending."""

    name: str
    rows: NDArray[np.int64]


def column_slices(table: pl.DataFrame, dataset: Dataset | None) -> tuple[Slice, ...]:
    """Return the slices that the values of a manifest's columns make; rows without a value are in none.

    A version that lacks the columns (a listing of the user's own, say) has no such slices.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> table = pl.DataFrame({"corruption": ["fog_3d", "flash", "fog_3d"], "severity": [3, 1, 3]})
    >>> [(part.name, part.rows.tolist()) for part in column_slices(table, load().datasets["imagenet-3dcc"])]
    [('flash/1', [1]), ('fog_3d/3', [0, 2])]
    """
    found = []
    for joined in () if dataset is None else dataset.slices:
        columns = joined.split("/")
        if all(column in table.columns for column in columns):
            found += list(_parted(table, columns))
    return tuple(sorted(found, key=lambda part: part.name))


def _parted(table: pl.DataFrame, columns: list[str]) -> Iterator[Slice]:
    rows = table.select(pl.int_range(pl.len(), dtype=pl.Int64).alias(" row"), *columns).drop_nulls()
    for *values, at in rows.group_by(columns, maintain_order=True).agg(pl.col(" row")).iter_rows():
        yield Slice("/".join(str(value) for value in values), np.sort(np.asarray(at, np.int64)))


def factor_slices(table: pl.DataFrame, sets: Iterable[FactorSet]) -> tuple[Slice, ...]:
    """Return one slice a factor, in their order, for the first set of factors whose columns the table has.

    A factor that no image has is left out.

    Examples
    --------
    >>> from manifests.catalogue import load
    >>> factors = load().factors["imagenet-x"]
    >>> table = pl.DataFrame({name: [name == "pose", name in ("pose", "style")] for name in factors.factors})
    >>> [(part.name, part.rows.tolist()) for part in factor_slices(table, [factors])]
    [('style', [1]), ('pose', [0, 1])]
    """
    for entry in sets:
        if all(table.schema.get(factor) == pl.Boolean for factor in entry.factors):
            found = (
                Slice(factor, np.flatnonzero(table[factor].fill_null(False).to_numpy()).astype(np.int64))
                for factor in entry.factors
            )
            return tuple(part for part in found if len(part.rows))
    return ()
