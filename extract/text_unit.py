"""The text that a model's prompts need: which sentences and heads are missing, and one pass that makes them.

Rows of `text` are shared by every prompt set and by captions: a sentence is encoded once. A head is made from the
float32 features of its sentences at the time they are encoded, never from the stored halves. No image is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.captions import TRUNCATED
from cache.commits import RowFailure
from cache.key import head_id, pack_id, text_id
from cache.packs import PACK_SIZE, write_pack
from cache.reader import Reader, State
from cache.spaces import Space
from cache.texts import ClassList, Prompts, sentences_of, write_text
from cache.writing import Stage
from cache.zero_shot import class_weights
from manifests.errors import AssayError

from .backbones.protocol import CountsTruncated, TextTower

Pairs = Sequence[tuple[Prompts, ClassList]]

TEXT_KINDS = ("text", "heads")


@dataclass(frozen=True, slots=True)
class HeadJob:
    """One head to make: a prompt set over a class list."""

    prompts: Prompts
    classes: ClassList

    @property
    def item(self) -> str:
        """The head's id."""
        return head_id(self.classes.id, self.prompts.id)

    @property
    def pack(self) -> str:
        """Its pack: a head stands alone."""
        return pack_id([self.item])


@dataclass(frozen=True, slots=True)
class TextWork:
    """What the prompts of one model on one dataset ask of its text tower.

    asked
        Every head that was asked for, whether it is there or not.
    packs
        Text packs that hold the sentences and captions, stored and new.
    new
        Text packs to fill: pack id -> its sentences in order.
    heads
        Heads to make.
    lost
        Kind and pack of what has a record and no data.
    """

    asked: tuple[HeadJob, ...] = ()
    packs: tuple[str, ...] = ()
    new: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    heads: tuple[HeadJob, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every sentence that has to be encoded, once."""
        of_heads = (s for job in self.heads for group in sentences_of(job.prompts, job.classes) for s in group)
        return tuple(dict.fromkeys([*(s for strings in self.new.values() for s in strings), *of_heads]))

    def nbytes(self, width: int) -> int:
        """Return the bytes of what is missing, for features of some width."""
        rows = sum(len(strings) for strings in self.new.values())
        return rows * width * 2 + sum(width * len(job.classes.keys) * 4 for job in self.heads)

    def joined(self, other: TextWork) -> TextWork:
        """Return the one pass that makes what this work and another one in the same space ask for."""
        heads = {job.pack: job for job in (*self.heads, *other.heads)}
        return TextWork(new={**self.new, **other.new}, heads=tuple(heads.values()))

    @property
    def extra(self) -> dict[str, tuple[str, ...]]:
        """The packs of a request."""
        heads = {"heads": tuple(job.pack for job in self.asked)} if self.asked else {}
        return {"text": self.packs, **heads} if self.packs else {}

    def steps(self) -> tuple[TextWork, ...]:
        """Return the parts that can be committed one after another: heads with all their sentences, then each pack.

        Thousands of captions need not wait for each other, and what is done stays done when a run is killed.
        """
        of_heads = {s for job in self.heads for group in sentences_of(job.prompts, job.classes) for s in group}
        together = {pack: strings for pack, strings in self.new.items() if not of_heads.isdisjoint(strings)}
        first = (TextWork(new=together, heads=self.heads),) if self.heads or together else ()
        return (*first, *(TextWork(new={pack: self.new[pack]}) for pack in self.new if pack not in together))


def plan_text(
    reader: Reader, space: Space, pairs: Pairs, captions: Sequence[str] = (), pack_size: int = PACK_SIZE
) -> TextWork:
    """Compare the sentences and heads of prompt sets, and captions, with what a space has.

    Parameters
    ----------
    captions
        Strings that are encoded as they stand.
    pack_size
        Most sentences of a new pack; captions and the sentences of prompts get packs of their own.

    Raises
    ------
    UsageError
        When a prompt set has no sentence for a class.
    """
    asked = tuple(HeadJob(prompts, classes) for prompts, classes in pairs)
    wanted = dict.fromkeys(s for job in asked for group in sentences_of(job.prompts, job.classes) for s in group)
    prompted = {text_id(sentence): sentence for sentence in wanted}
    captioned = {item: text for text in dict.fromkeys(captions) if (item := text_id(text)) not in prompted}
    ids = {**prompted, **captioned}
    stored: dict[str, str] = {}
    lost: dict[str, str] = {}
    for pack in reader.committed("text", space.label):
        here = reader.state(reader.unit("text", space, pack)) is State.HERE
        for item in reader.pack(pack).items:
            if item in ids:
                (stored if here else lost).setdefault(item, pack)
    new: dict[str, tuple[str, ...]] = {}
    for sort in (prompted, captioned):
        missing = [item for item in sort if item not in stored and item not in lost]
        for at in range(0, len(missing), pack_size):
            part = missing[at : at + pack_size]
            new[pack_id(part)] = tuple(ids[item] for item in part)
    states = {job.pack: reader.state(reader.unit("heads", space, job.pack)) for job in asked}
    gone = dict.fromkeys(pack for item, pack in lost.items() if item not in stored)
    return TextWork(
        asked=asked,
        packs=tuple(dict.fromkeys([*(stored[item] for item in ids if item in stored), *gone, *new])),
        new=new,
        heads=tuple(job for job in asked if states[job.pack] is State.ABSENT),
        lost=(
            *(("text", pack) for pack in gone),
            *(("heads", job.pack) for job in asked if states[job.pack] is State.LOST),
        ),
    )


def write_words(staged: Stage, work: TextWork) -> None:
    """Store class lists, prompt sets and packs, before the request that names them."""
    for job in work.asked:
        write_text(staged, job.classes)
        write_text(staged, job.prompts)
        write_pack(staged, "head", _pack_table([job.item], [0]))
    for strings in work.new.values():
        write_pack(staged, "text", _pack_table([text_id(s) for s in strings], [len(s.encode()) for s in strings]))


def _pack_table(items: Sequence[str], sizes: Sequence[int]) -> pl.DataFrame:
    n = len(items)
    return pl.DataFrame(
        {"item_id": items, "nbytes": sizes, "width": [0] * n, "height": [0] * n, "format": ["text"] * n},
        schema={"item_id": pl.String, "nbytes": pl.Int64, "width": pl.Int32, "height": pl.Int32, "format": pl.String},
    )


@dataclass(frozen=True, slots=True)
class Encoded:
    """Numbers of one unit, ready to be committed."""

    kind: str
    pack: str
    values: NDArray[np.float16] | NDArray[np.float32]
    failures: tuple[RowFailure, ...] = ()


def encode_text(work: TextWork, features: NDArray[np.float32]) -> Iterator[Encoded]:
    """Yield the units of a text work from the features of its sentences.

    Parameters
    ----------
    features
        `(n, d)` float32 features of `work.sentences`, un-normalised.

    Yields
    ------
    Encoded
        `text`: `(rows, d)` float16, un-normalised; `heads`: `(1, d, c)` float32.

    Raises
    ------
    AssayError
        When a sentence that a head needs has no finite features.
    """
    row = {sentence: at for at, sentence in enumerate(work.sentences)}
    for pack, strings in work.new.items():
        with np.errstate(over="ignore"):
            values = features[[row[sentence] for sentence in strings]].astype(np.float16)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        why = "the text tower's output overflows float16"
        failures = tuple(RowFailure(int(at), text_id(strings[at]), "not_finite", why) for at in bad)
        yield Encoded("text", pack, values, failures)
    for job in work.heads:
        groups = [[row[sentence] for sentence in group] for group in sentences_of(job.prompts, job.classes)]
        try:
            weights = class_weights(features, groups)
        except ValueError as error:
            raise AssayError(f"prompts {job.prompts.name} make no head: {error}") from None
        yield Encoded("heads", job.pack, weights[None])


def head_stats(tower: TextTower) -> dict[str, float]:
    """Return what turns cosines into logits, as it is stored beside text and heads."""
    return {"logit_scale": tower.logit_scale, "logit_bias": tower.logit_bias}


def text_stats(tower: TextTower, strings: Sequence[str]) -> dict[str, float]:
    """Return what is stored beside text: what stands beside heads, and how many strings were too long to be read whole.

    Nothing is said of length where no string was too long, or the tower cannot tell.
    """
    cut = tower.truncated(strings) if isinstance(tower, CountsTruncated) else 0
    return head_stats(tower) | ({TRUNCATED: float(cut)} if cut else {})
