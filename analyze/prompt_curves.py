"""Every metric as a function of the number of prompts: resampled subsets of a prompt set, without an image pass.

Draws subsets and sums up what `score` says of them; computes no metric itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from cache.store import Store
from manifests.catalogue import Catalogue
from manifests.errors import UsageError
from manifests.schema import PromptSet

from .asked import Ask
from .score import Scored, score
from .table import KEY

PLACE = tuple(name for name in KEY if name != "prompt_set")
COLUMNS = ("prompt_set", "prompts", "draws", *PLACE, "mean", "sd", "lo", "hi", "smallest", "largest")
"""Columns of a curve: over the draws of each size the mean, the standard deviation and the middle 95 %."""


def subsets(whole: PromptSet, counts: Sequence[int], draws: int, seed: int) -> dict[str, tuple[int, PromptSet]]:
    """Return resampled subsets of a prompt set's templates, by name, with their sizes.

    A size equal to the whole is drawn once, since there is but one such subset.

    Parameters
    ----------
    counts
        Sizes, from 1 to the number of templates.
    draws
        Subsets of each size.

    Raises
    ------
    UsageError
        For a set without templates, or a size that it does not have.

    Examples
    --------
    >>> whole = PromptSet(id="abc", title="t", source="s", templates=("a {}", "b {}", "c {}"))
    >>> sorted(subsets(whole, [1, 3], draws=2, seed=0))
    ['abc.1-of-3.draw-0', 'abc.1-of-3.draw-1', 'abc.3-of-3.draw-0']
    """
    size = len(whole.templates)
    if not size or whole.per_class:
        raise UsageError(f"--from {whole.id}: expected a prompt set of templates alone, of which subsets can be drawn.")
    outside = [count for count in counts if not 1 <= count <= size]
    if outside or draws < 1:
        raise UsageError(
            f"--counts {outside[0] if outside else ''}: expected sizes from 1 to {size}, those of {whole.id}."
            if outside
            else f"--draws {draws}: expected at least 1."
        )
    rng = np.random.default_rng(seed)
    found: dict[str, tuple[int, PromptSet]] = {}
    for count in dict.fromkeys(counts):
        for draw in range(1 if count == size else draws):
            # In the set's own order: a subset is the same whichever way it was drawn.
            chosen = sorted(rng.choice(size, count, replace=False).tolist())
            name = f"{whole.id}.{count}-of-{size}.draw-{draw}"
            found[name] = count, replace(whole, id=name, templates=tuple(whole.templates[at] for at in chosen))
    return found


def prompt_curves(
    store: Store, catalogue: Catalogue, ask: Ask, whole: str, counts: Sequence[int], draws: int, seed: int
) -> tuple[pl.DataFrame, Scored]:
    """Score resampled subsets of a prompt set, and sum them up by size.

    Parameters
    ----------
    ask
        Models and datasets; its prompts are replaced.
    whole
        Id of the prompt set that subsets are drawn from; its sentences have to be stored.

    Returns
    -------
    tuple
        Columns `COLUMNS`; and what `score` said, whose table has a prompt set for each draw.

    Raises
    ------
    UsageError
        As `subsets` and `score` do, or for a prompt set that nobody knows.
    """
    if whole not in catalogue.prompts:
        raise UsageError(f"--from {whole}: no such prompt set; there are {', '.join(sorted(catalogue.prompts))}.")
    drawn = subsets(catalogue.prompts[whole], counts, draws, seed)
    with_drawn = replace(catalogue, prompts={**catalogue.prompts, **{name: one for name, (_, one) in drawn.items()}})
    scored = score(store, with_drawn, replace(ask, prompts=tuple(drawn)))
    sizes = {name: count for name, (count, _) in drawn.items()}
    rows = scored.table.filter(pl.col("prompt_set").is_in(list(sizes)), pl.col("value").is_finite()).with_columns(
        prompts=pl.col("prompt_set").replace_strict(sizes, return_dtype=pl.Int64)
    )
    value = pl.col("value")
    table = (
        rows.group_by("prompts", *PLACE)
        .agg(
            draws=pl.len(),
            mean=value.mean(),
            sd=value.std(),
            lo=value.quantile(0.025, "linear"),
            hi=value.quantile(0.975, "linear"),
            smallest=value.min(),
            largest=value.max(),
        )
        .with_columns(prompt_set=pl.lit(whole))
        .select(COLUMNS)
        .sort(*PLACE, "prompts")
    )
    return table, scored
