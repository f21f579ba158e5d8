"""A claim in the words of a table that was recast: sets by the parts that they play, models by who plays.

Knows claims and casts; no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from analyze.stand_ins import Cast
from manifests.claim import Claim, Models, Reading
from manifests.selection import is_glob, matching

LIST = "list:"
"""Begins a variant that names the model whose confusions make the options."""


def in_parts(claim: Claim, cast: Cast) -> Claim:
    """Return a claim that asks for the same of a recast table.

    A paper's claim names parts, a study's own may name its players: both come to the same axes.

    Examples
    --------
    >>> from manifests.schema import StandIns
    >>> drawn = StandIns(note="Drawn.", datasets={"sun": "sky"}, models={"resnet50.tv_in1k": "net"})
    >>> asked = Claim(id="c", paper="p", section="1", sentence="s", estimator="rank-correlation", direction="positive",
    ...               x="sky", y=["sun:all:auroc"], models=Models(ids=("resnet50*",)))
    >>> found = in_parts(asked, Cast(study="toys", stand_ins=drawn))
    >>> found.x, found.y, found.models.ids
    ('sun', ('sun:all:auroc',), ('net', 'resnet50*'))
    """
    if not cast:
        return claim
    return replace(
        claim,
        x=_axis(claim.x, cast) if claim.x else claim.x,
        y=tuple(_axis(axis, cast) for axis in claim.y),
        minus=tuple(_axis(axis, cast) for axis in claim.minus),
        against_y=tuple(_axis(axis, cast) for axis in claim.against_y),
        models=_models(claim.models, cast),
        against=None if claim.against is None else _models(claim.against, cast),
        reference=None if claim.reference is None else _models(claim.reference, cast),
        pairs=tuple((_model(first, cast), _model(second, cast)) for first, second in claim.pairs),
        reading=_reading(claim.reading, cast),
        minus_reading=None if claim.minus_reading is None else _reading(claim.minus_reading, cast),
    )


def _axis(text: str, cast: Cast) -> str:
    name, colon, rest = text.partition(":")
    return f"{cast.part(name)}{colon}{rest}"


def _model(part: str, cast: Cast) -> str:
    return cast.stand_ins.models.get(part, part)


def _models(who: Models, cast: Cast) -> Models:
    told = cast.stand_ins
    return replace(
        who,
        ids=_played(who.ids, told.models),
        without=_played(who.without, told.models),
        training_source=_either(who.training_source, told.sources),
        training_dataset=_either(who.training_dataset, told.training_datasets),
        fine_tuning=_either(who.fine_tuning, told.fine_tunings),
    )


def _played(patterns: tuple[str, ...], players: Mapping[str, str]) -> tuple[str, ...]:
    """Ids and globs of models with the players in the places of their parts."""
    found = [players[part] for pattern in patterns for part in matching(players, pattern)]
    # A glob also means models that are here and play nobody.
    kept = [pattern for pattern in patterns if is_glob(pattern) or pattern not in players]
    return tuple(dict.fromkeys((*found, *kept)))


def _either(patterns: tuple[str, ...], players: Mapping[str, str]) -> tuple[str, ...]:
    """Facts as they are asked for, and the parts of players that are: in the table these go by them."""
    parts = {player: part for part, player in players.items()}
    found = [parts[player] for pattern in patterns for player in matching(parts, pattern)]
    return tuple(dict.fromkeys((*patterns, *found)))


def _reading(reading: Reading, cast: Cast) -> Reading:
    variant = reading.variant
    if variant.startswith(LIST):
        variant = LIST + _model(variant.removeprefix(LIST), cast)
    prompt_set = cast.part(reading.prompt_set, "prompts") if reading.prompt_set else ""
    return replace(reading, variant=variant, prompt_set=prompt_set)
