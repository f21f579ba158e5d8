"""Which matches of pairs were asked for, and which of them are here, with the depths that they are judged by.

What is missing is named with the command that mends it; it is never left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.errors import UsageError
from cache.image_pairs import PairList, Scheme, pairs_of
from cache.match_rows import GEOMETRIES, depth_space
from cache.positions import Place
from cache.reader import Reader, State
from cache.requests import Request, describe
from cache.spaces import Space
from cache.store import Store
from cache.views import View
from manifests.canonical import digest

from .cell import Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedCell:
    """Matches of a model on a dataset with pairs, all of them here.

    variant
        The geometry, where it is not the dataset's usual one.
    places
        Pair id -> pack and row.
    depths
        Depth file -> pack and row; empty where keypoints are the truth.
    """

    model: str
    group: str
    view: View
    listed: PairList
    space: Space
    variant: str
    places: Mapping[str, Place]
    depths: Mapping[str, Place]
    inputs: str


def geometry_word(scheme: Scheme, geometry: str, usual: str = "") -> str:
    """Return what `variant` says of a geometry: nothing of the dataset's usual one.

    Parameters
    ----------
    usual
        The usual one as the dataset's manifest says it; "" for that of the scheme.

    Examples
    --------
    >>> geometry_word("navi", "512x512"), geometry_word("navi", ""), geometry_word("navi", "512x512-four")
    ('', 'native', '512x512-four')
    >>> geometry_word("navi", "", "native"), geometry_word("navi", "512x512", "native")
    ('', '512x512')
    """
    said = geometry or "native"
    return "" if said == (usual or GEOMETRIES[scheme]) else said


def find_matched(
    store: Store,
    reader: Reader,
    requests: Sequence[Request],
    spaces: Sequence[str],
    allow_partial: bool = False,
    usual: str = "",
) -> tuple[list[MatchedCell], list[Missing]]:
    """Return the cells of one (model, dataset), one for each space that it was matched in, and what is missing.

    Parameters
    ----------
    requests
        Live requests for matches of the model on the dataset.
    spaces
        Names of spaces that limit the answer where one of them fits.
    usual
        The dataset's usual geometry, where its manifest names one.

    Raises
    ------
    UsageError
        When two spaces would share a row of the table.
    """
    allowed = {store.resolve_space(name).id for name in spaces}
    meant = [request for request in requests if request.space in allowed] or list(requests)
    view = store.version(meant[0].dataset)
    listed = pairs_of(view)
    by_space: dict[str, list[Request]] = {}
    for request in meant:
        by_space.setdefault(request.label, []).append(request)
    cells: list[MatchedCell] = []
    missing: list[Missing] = []
    taken: dict[str, Request] = {}
    for label, some in by_space.items():
        space = store.space(label)
        word = geometry_word(listed.scheme, str(space.identity["geometry"]), usual) if listed.scheme else ""
        if word in taken:
            raise UsageError(
                f"{some[0].model} on {view.name} was matched in two spaces of one geometry:\n"
                f"{describe([taken[word], some[0]])}\nName one with `--space {label}`, or unbind the other for good "
                f"with `assay-cache retire {taken[word].digest[:16]}`."
            )
        taken[word] = some[0]
        cell = _cell(reader, view, listed, space, word, some, allow_partial, missing)
        if cell is not None:
            cells.append(cell)
    return cells, missing


def _cell(
    reader: Reader,
    view: View,
    listed: PairList,
    space: Space,
    word: str,
    requests: Sequence[Request],
    allow_partial: bool,
    missing: list[Missing],
) -> MatchedCell | None:
    model, again = requests[0].model, match_command(requests[0].model, view.name, space)
    if not listed.pairs:
        missing.append(Missing(model, view.name, "matches", "", "are of pairs that this version does not list", again))
        return None
    wanted = [pair.item for pair in listed.pairs]
    places, segments, state = _places(reader, "matches", space, [p for one in requests for p in one.packs], wanted)
    depths: dict[str, Place] = {}
    if listed.scheme != "spair":
        files = view.table["depth_sha256"].to_list()
        named = [f for f in dict.fromkeys(files[at] for pair in listed.pairs for at in (pair.first, pair.second)) if f]
        depths, of_depths, depth_state = find_depths(reader, listed.scheme, named)
        segments += of_depths
        if len(depths) < len(named):
            count = f" for {len(named) - len(depths)} of {len(named)} depth files"
            missing.append(_missing(model, view.name, "depths", depth_state, count, again))
            return None
    if lacking := [item for item in wanted if item not in places]:
        count = f" for {len(lacking)} of {len(wanted)} pairs"
        missing.append(_missing(model, view.name, "matches", state, count, again))
        if not allow_partial or len(lacking) == len(wanted):
            return None
    return MatchedCell(
        model=model,
        group=requests[0].group,
        view=view,
        listed=listed,
        space=space,
        variant=word,
        places=places,
        depths=depths,
        inputs=digest("inputs", {"dataset": view.id, "space": space.id, "segments": segments}),
    )


def find_depths(reader: Reader, scheme: Scheme, files: Sequence[str]) -> tuple[dict[str, Place], list[str], State]:
    """Return pack and row of depth files, the segments that hold them, and the state of what is missing."""
    space = depth_space(scheme)
    return _places(reader, "patches", space, reader.committed("patches", space.label), files)


def _places(
    reader: Reader, kind: str, space: Space, packs: Sequence[str], wanted: Sequence[str]
) -> tuple[dict[str, Place], list[str], State]:
    asked = set(wanted)
    places: dict[str, Place] = {}
    segments: list[str] = []
    state = State.ABSENT
    for pack in dict.fromkeys(packs):
        at = {item: row for row, item in enumerate(reader.pack(pack).items) if item in asked and item not in places}
        if not at:
            continue
        unit = reader.unit(kind, space, pack)
        found = reader.state(unit)
        commit = reader.commit(unit)
        if found is State.HERE and commit is not None:
            places |= {item: (pack, row) for item, row in at.items()}
            segments += [segment.id for segment in commit.segments]
        elif found is State.LOST:
            state = found
    return places, segments, state


def _missing(model: str, dataset: str, what: str, state: State, count: str, again: str) -> Missing:
    remedy = f"`assay-cache repair`, then {again}" if state is State.LOST else again
    return Missing(model, dataset, what, "", f"{state.value}{count}", remedy)


def match_command(model: str, dataset: str, space: Space | None = None) -> str:
    """Return the command that makes matches."""
    geometry = "" if space is None else str(space.identity["geometry"])
    usual = space is None or geometry == GEOMETRIES.get(str(space.identity["scheme"]))
    size = geometry.partition("-")[0]
    more = "" if usual else f" --geometry {size if 'x' in size else 'native'}"
    more += " --layers four" if "four" in geometry else ""
    more += " --normalise probe3d" if "probe3d" in geometry else ""
    return f"`assay-extract match --model {model or 'MODEL'} --dataset {dataset or 'DATASET'}{more}`"


class StoredRows:
    """Rows of a kind by item, a few packs at a time: pairs come in the order in which they were packed."""

    def __init__(self, reader: Reader, kind: str, space: Space, places: Mapping[str, Place], packs: int = 8) -> None:
        self._reader = reader
        self._kind = kind
        self._space = space
        self._places = places
        self._most = packs
        self._held: dict[str, NDArray[Any]] = {}

    def row(self, item: str) -> NDArray[Any]:
        """Return the stored row of an item."""
        pack, row = self._places[item]
        if pack not in self._held:
            while len(self._held) >= self._most:
                self._held.pop(next(iter(self._held)))
            unit = self._reader.unit(self._kind, self._space, pack)
            self._held[pack] = np.concatenate([rows for _, rows in self._reader.segments(unit)])
        return np.asarray(self._held[pack][row])

    def failures(self) -> dict[str, RowFailure]:
        """Return the items without numbers."""
        found: dict[str, RowFailure] = {}
        for pack in {pack for pack, _ in self._places.values()}:
            commit = self._reader.commit(self._reader.unit(self._kind, self._space, pack))
            found |= {} if commit is None else {one.item: one for one in commit.failures if one.item in self._places}
        return found
