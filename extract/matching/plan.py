"""What there is to match: for each model on each dataset with pairs, which packs lack matches, and which depths.

Reads commits, writes nothing but packs, which are lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from cache.errors import IncompleteError, UsageError
from cache.image_pairs import PAIRS_A_PACK, ImagePair, PairList, pairs_of
from cache.match_rows import DEPTH_MODEL, TOP, depth_space, matches_space
from cache.packs import SCHEMA, write_pack
from cache.reader import Reader, State
from cache.requests import Request
from cache.spaces import Space
from cache.store import Store
from cache.views import View
from extract.plan import Candidate


@dataclass(frozen=True, slots=True)
class MatchWork:
    """One model on one dataset with pairs.

    parent, space
        Of the patches, and of their matches.
    missing
        Packs of pairs without a record.
    depth
        The request for the dataset's depths; None where keypoints are the truth.
    missing_depth
        Packs of depth files without a record.
    """

    candidate: Candidate
    view: View
    listed: PairList
    parent: Space
    space: Space
    request: Request
    missing: tuple[str, ...]
    depth: Request | None
    missing_depth: tuple[str, ...]
    top: int

    @property
    def pairs(self) -> dict[str, ImagePair]:
        """Pair id -> pair."""
        return {pair.item: pair for pair in self.listed.pairs}


def plan_match(
    store: Store,
    reader: Reader,
    candidate: Candidate,
    view: View,
    top: int = TOP,
    pack_size: int = PAIRS_A_PACK,
) -> MatchWork:
    """Compare the pairs of a dataset with what is matched.

    Raises
    ------
    UsageError
        When the dataset has no pairs, or the model no patches.
    IncompleteError
        When data of a committed unit are gone.
    """
    listed = pairs_of(view)
    if not listed.pairs:
        why = f"{listed.absent} pairs lack their second image" if listed.absent else "it lists no pairs of images"
        raise UsageError(f"--dataset {view.name}: {why}; expected navi, scannet or spair-71k, indexed with its layout.")
    if view.facts.get("virtual"):
        raise UsageError(f"dataset {view.name} is a list without images; `assay-extract index {view.name} --root DIR`.")
    if "patches" not in candidate.backbone.kinds():
        raise UsageError(f"{candidate.name} has no patch features at this size, so there is nothing to match.")
    parent = Space(dict(candidate.backbone.identity()), dict(candidate.provenance))
    space = matches_space(parent, listed.scheme, top)
    packs = _packs(store, "pair", [pair.item for pair in listed.pairs], pack_size)
    request = Request(
        verb="match", model=candidate.name, facts=candidate.facts, dataset=view.name, version=view.id,
        kinds=("matches",), space=space.id, label=space.label, packs=packs,
    )  # fmt: skip
    missing = _absent(reader, "matches", space, packs)
    depth, missing_depth = None, ()
    if listed.scheme != "spair":
        # In the order of the view, as the pairs are, so that a pack of pairs needs few packs of depths.
        taking_part = sorted({at for pair in listed.pairs for at in (pair.first, pair.second)})
        files = view.table["depth_sha256"].to_list()
        named = list(dict.fromkeys(files[at] for at in taking_part if files[at]))
        if not named:
            raise UsageError(f"dataset {view.name}: no depth maps were found when it was indexed; index it again.")
        depths = depth_space(listed.scheme)
        depth_packs = _packs(store, "depth", named, pack_size)
        depth = Request(
            verb="match", model=DEPTH_MODEL, facts={"group": "other"}, dataset=view.name, version=view.id,
            kinds=("patches",), space=depths.id, label=depths.label, packs=depth_packs,
        )  # fmt: skip
        missing_depth = _absent(reader, "patches", depths, depth_packs)
    return MatchWork(candidate, view, listed, parent, space, request, missing, depth, missing_depth, top)


def _packs(store: Store, what: str, items: Sequence[str], size: int) -> tuple[str, ...]:
    packs = []
    with store.stage() as staged:
        for start in range(0, len(items), size):
            part = items[start : start + size]
            columns = {"item_id": part, "nbytes": [0] * len(part), "width": [0] * len(part), "height": [0] * len(part)}
            packs.append(write_pack(staged, what, pl.DataFrame({**columns, "format": [what] * len(part)}, SCHEMA)))
    return tuple(packs)


def _absent(reader: Reader, kind: str, space: Space, packs: Sequence[str]) -> tuple[str, ...]:
    states = {pack: reader.state(reader.unit(kind, space, pack)) for pack in packs}
    lost = [pack for pack, state in states.items() if state is State.LOST]
    if lost:
        raise IncompleteError(
            f"{len(lost)} unit(s) of {kind} of {space.label} have a record but their data are gone. "
            "`assay-cache repair` puts those records away; then this command makes them again."
        )
    return tuple(pack for pack, state in states.items() if state is State.ABSENT)
