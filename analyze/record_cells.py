"""Which answers of a language model are here: the packs of questions that requests name, and what is missing of them.

Reads records of commits; no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cache.bindings import Binding
from cache.reader import Reader, State
from cache.requests import Request
from cache.views import View
from manifests.canonical import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCell:
    """A model's answers to every question about a dataset that it was asked, all of them here.

    packs
        Packs of questions.
    inputs
        Digest of everything that is read.
    """

    binding: Binding
    view: View
    packs: tuple[str, ...]
    inputs: str


def record_cell(
    reader: Reader, binding: Binding, view: View, requests: Sequence[Request]
) -> RecordCell | tuple[tuple[State, str], ...]:
    """Return the cell, or each state in which packs of it are missing and how many.

    Parameters
    ----------
    requests
        Those that bind the model; their packs of questions count together.

    Raises
    ------
    IntegrityError
        When a record or a pack is damaged.
    """
    space = reader.store.space(binding.label)
    asked = (request for request in requests if request.space == binding.space)
    packs = tuple(dict.fromkeys(pack for request in asked for pack in request.packs_of("records")))
    units = {pack: reader.unit("records", space, pack) for pack in packs}
    states = {pack: reader.state(unit) for pack, unit in units.items()}
    lacks = tuple(
        (state, f" for {count} of {len(packs)} packs")
        for state in (State.LOST, State.ABSENT)
        if (count := sum(1 for one in states.values() if one is state))
    )
    if lacks:
        return lacks
    segments = [segment.id for unit in units.values() if (commit := reader.commit(unit)) for segment in commit.segments]
    said = {"dataset": view.id, "space": space.id, "segments": sorted(segments)}
    return RecordCell(binding=binding, view=view, packs=packs, inputs=digest("inputs", said))
