"""A study's blocks, limited by what a command names: never more than the study, and never something else.

Knows names only; what they stand for is `blocks`' business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from manifests.errors import UsageError
from manifests.schema import Study
from manifests.selection import is_glob, matching, split_patterns

from .blocks import Block

EXTRACTED = ("logits", "embeddings", "patches", "text", "heads")
"""Kinds that `run` makes; a study may name others, which other commands bring."""


def study_blocks(
    study: Study,
    models: Collection[str],
    datasets: Collection[str],
    prompts: Collection[str],
    *,
    only_models: Sequence[str] = (),
    only_datasets: Sequence[str] = (),
    only_kinds: Sequence[str] = (),
    only_prompts: Sequence[str] = (),
    made: Sequence[str] = EXTRACTED,
) -> list[Block]:
    """Return the blocks of a study within limits; what a block leaves empty, a limit fills.

    Parameters
    ----------
    models, datasets, prompts
        Ids that globs can mean.
    only_models, only_datasets, only_kinds, only_prompts
        Ids and globs; none is no limit.
    made
        Kinds that the command makes; blocks that ask for none of them are left out.

    Raises
    ------
    UsageError
        When a limit matches nothing that the study names.

    Examples
    --------
    >>> from manifests.schema import Block, Study
    >>> study = Study(id="s", title="S", blocks=(Block(models=("a*",), datasets=("x", "y"), kinds=("logits",)),))
    >>> study_blocks(study, ["a1", "a2", "b"], [], [], only_models=["a2"], only_datasets=["y"])
    [(('a2',), ('y',), ('logits',), ())]
    """
    named = [
        (
            _ids(block.models, models),
            _ids((name.partition(":")[0] for name in split_patterns(block.datasets)), datasets),
            tuple(kind for kind in block.kinds if kind in made),
            _ids(block.prompts, prompts),
        )
        for block in study.blocks
    ]
    limits = (only_models, only_datasets, only_kinds, only_prompts)
    whats = ("models", "datasets", "kinds", "prompts")
    for at, (limit, what) in enumerate(zip(limits, whats, strict=True)):
        here = sorted({name for block in named for name in block[at]})
        for pattern in split_patterns(limit) if limit else ():
            if here and not _matching(here, pattern):
                shown = ", ".join(here[:8]) + (f" and {len(here) - 8} more" if len(here) > 8 else "")
                raise UsageError(f"study {study.id!r} names no {what} that match {pattern!r}; it names {shown}.")
    found = []
    for block in named:
        some = [_within(names, limit) for names, limit in zip(block, limits, strict=True)]
        emptied = any(names and not left for names, left in zip(block, some, strict=True))
        if some[0] and some[1] and some[2] and not emptied:
            found.append((some[0], some[1], some[2], some[3]))
    if not found:
        raise UsageError(f"study {study.id!r} has no block in which the options given meet; leave one of them out.")
    return found


def _ids(patterns: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the ids that patterns of a manifest mean; an id without an entry is the user's own."""
    ids = (
        name
        for pattern in patterns
        for name in ((matching(known, pattern) or (pattern,)) if is_glob(pattern) else (pattern,))
    )
    return tuple(dict.fromkeys(ids))


def _within(names: tuple[str, ...], limit: Sequence[str]) -> tuple[str, ...]:
    if not limit:
        return names
    patterns = split_patterns(limit)
    if not names:
        return patterns
    return tuple(name for name in names if any(_matching([name], pattern) for pattern in patterns))


def _matching(names: Sequence[str], pattern: str) -> tuple[str, ...]:
    return (pattern,) if pattern in names else matching(names, pattern)
