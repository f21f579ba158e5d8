"""Which embeddings of captions are here: the text half of a retrieval cell, and what is missing of it.

Reads records and packs; no numbers. What mends a gap is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cache.bindings import Binding
from cache.captions import TRUNCATED, Captions, captions_of
from cache.positions import Place
from cache.reader import Reader, State
from cache.views import View
from manifests.canonical import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionCell:
    """A model's embeddings of a dataset's images and captions, all of them here.

    view
        The dataset, its images by the ids that the embeddings go by.
    places
        Pack and row of every caption, in their order.
    inputs
        Digest of everything that is read.
    truncated
        Strings, in the packs that hold the captions, that are longer than the text tower reads.
    """

    binding: Binding
    view: View
    captions: Captions
    places: tuple[Place, ...]
    inputs: str
    truncated: int = 0


@dataclass(frozen=True, slots=True)
class Lack:
    """A kind that is not wholly here, in which state, and how much of it."""

    kind: str
    state: State
    count: str


def caption_cell(reader: Reader, binding: Binding, view: View) -> CaptionCell | tuple[Lack, ...]:
    """Return the cell, or all that it lacks.

    Half a gallery is no retrieval task of the dataset, so there is no partial answer.

    Raises
    ------
    IntegrityError
        When a record or a pack is damaged.
    """
    space = reader.store.space(binding.label)
    view = reader.followed("embeddings", space, view)
    packs = reader.needed_packs(view)
    images = {pack: reader.state(reader.unit("embeddings", space, pack)) for pack in packs}
    captions = captions_of(view.table)
    ids = captions.ids
    places, lost = _text_places(reader, binding, frozenset(ids))
    lacks = []
    for state in (State.LOST, State.ABSENT):
        if count := sum(1 for one in images.values() if one is state):
            lacks.append(Lack("embeddings", state, f" for {count} of {len(images)} packs"))
    gone = [item for item in dict.fromkeys(ids) if item not in places]
    for state, some in (
        (State.LOST, [item for item in gone if item in lost]),
        (State.ABSENT, [item for item in gone if item not in lost]),
    ):
        if some:
            lacks.append(Lack("text", state, f" for {len(some)} of {len(set(ids))} captions"))
    if lacks:
        return tuple(lacks)
    read = tuple(dict.fromkeys(places[item][0] for item in ids))
    commits = {pack: reader.commit(reader.unit("text", space, pack)) for pack in read}
    segments = [
        segment.id
        for kind, some in (("embeddings", packs), ("text", read))
        for pack in some
        if (commit := reader.commit(reader.unit(kind, space, pack))) is not None
        for segment in commit.segments
    ]
    said = {"dataset": view.id, "space": space.id, "segments": segments, "captions": digest("captions", list(ids))}
    return CaptionCell(
        binding=binding,
        view=view,
        captions=captions,
        places=tuple(places[item] for item in ids),
        inputs=digest("inputs", said),
        truncated=sum(int(one.stats.get(TRUNCATED, 0)) for one in commits.values() if one is not None),
    )


def _text_places(
    reader: Reader, binding: Binding, wanted: frozenset[str]
) -> tuple[Mapping[str, Place], frozenset[str]]:
    """Return where each string is, and which strings have a record and no data; the first pack by name wins."""
    space = reader.store.space(binding.label)
    places: dict[str, Place] = {}
    lost: set[str] = set()
    for pack in reader.committed("text", binding.label):
        here = reader.state(reader.unit("text", space, pack)) is State.HERE
        for row, item in enumerate(reader.pack(pack).items):
            if item in wanted and here:
                places.setdefault(item, (pack, row))
            elif item in wanted:
                lost.add(item)
    return places, frozenset(lost)
