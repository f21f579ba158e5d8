"""Per-image numbers of decisions that were made elsewhere: a class an image, and perhaps its probability.

What a decision cannot tell is left out: no second answer, no loss, no detector but the probability itself. Of the
scoring protocols those apply that need the best of all columns only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.documents import damaged
from cache.predictions import Decisions, read_predictions
from cache.reader import Reader
from cache.texts import ClassList
from manifests.schema import Dataset, LabelSpace

from .applicable import Applicable
from .cell import Cell
from .judged import Judge, Judged, judge
from .protocols import BY_ID, Protocol
from .scores import ImageNumbers

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Decided:
    """What every image of a cell has, in the order of the view.

    ok
        `(n,)` whether there is an answer; one that is none of the classes is an answer, and wrong.
    numbers
        The class in the first place of `top5_index`, its probability as `confidence`; the rest is not known.
    probabilities
        Whether probabilities are known.
    """

    ok: NDArray[np.bool_]
    failures: Mapping[int, RowFailure]
    numbers: ImageNumbers
    probabilities: bool
    judged: tuple[Judged, ...]


def read_decisions(reader: Reader, cell: Cell, ways: int, judges: Sequence[Judge]) -> Decided:
    """Read a cell of predictions.

    Parameters
    ----------
    ways
        How many classes there are.
    judges
        Scoring protocols that apply to decisions.

    Raises
    ------
    IntegrityError
        When data are damaged: of other images, without such a class, or with probabilities of some images only.
    """
    n = cell.view.table.height
    space = reader.store.space(cell.binding.label)
    held = Decisions.blank(n)
    ok = np.zeros(n, bool)
    failures: dict[int, RowFailure] = {}
    for pack, (index, rows) in reader.positions(cell.view).items():
        unit = reader.unit("predictions", space, pack)
        found, failed = read_predictions(reader, unit, rows)
        where = reader.store.layout.relative(reader.store.layout.record(unit.kind, unit.label, unit.pack))
        if found.classes.max(initial=-1) >= ways or found.classes.min(initial=-1) < -1:
            raise damaged(where, f"class {int(found.classes.max())} of {ways} classes")
        with np.errstate(invalid="ignore"):
            if ((found.probability < 0) | (found.probability > 1)).any():
                raise damaged(where, "a probability outside 0 to 1")
        held.put(index, found)
        at_failed = [(int(at), failed[int(row)]) for at, row in zip(index, rows, strict=True) if int(row) in failed]
        failures.update(at_failed)
        ok[index] = True
        ok[[at for at, _ in at_failed]] = False
    known = ~np.isnan(held.probability[ok])
    if known.any() and not known.all():
        raise damaged(f"commits/predictions/{space.label}", "has probabilities for some images only")
    numbers = ImageNumbers.blank(n, False)
    numbers.top5_index[:, 0] = held.classes
    numbers.confidence[:] = held.probability
    confident = bool(known.any())
    answers = held.classes[ok]
    for one in judges:
        _show(one, np.flatnonzero(ok)[answers >= 0], answers[answers >= 0], ways)
    judged = tuple(_without_losses(one, ok, held.probability if confident else None) for one in judges)
    return Decided(ok, failures, numbers, confident, judged)


def _show(one: Judge, at: NDArray[np.int64], classes: NDArray[np.int64], ways: int) -> None:
    """Hand decisions to a judge, as logits whose best column they are. Who named no class is never shown: wrong."""
    for start in range(0, len(at), _BLOCK):
        some = classes[start : start + _BLOCK]
        logits = np.zeros((len(some), ways), np.float32)
        logits[np.arange(len(some)), some] = 1.0
        one.put(at[start : start + _BLOCK], logits)


def _without_losses(one: Judge, ok: NDArray[np.bool_], confidence: NDArray[np.float64] | None) -> Judged:
    found = one.judged(ok)
    told = confidence is not None and one.protocol.calibrated
    return replace(
        found,
        top5=None,
        confidence=confidence if told else None,
        sure=found.top1 if told else None,
        nll=None,
        brier=None,
        classwise=None,
        scaled=(),
    )


def applicable_to_decisions(
    dataset: Dataset | None,
    spaces: Mapping[str, LabelSpace],
    view: pl.DataFrame,
    ours: ClassList,
    theirs: ClassList,
    whole: bool = True,
) -> Applicable:
    """Return which scoring protocols apply to decisions between the classes `theirs`; the rest as `applicable`.

    A protocol that takes only some columns, or joins several, asks who would have won among them, and the best of all
    columns does not tell that. Decisions between the very classes of a protocol are its decisions already.
    """
    if dataset is None or not ours.keys or not theirs.keys:
        return Applicable()
    plain = f"{len(theirs.keys)}-way"
    judges: list[Judge] = []
    reasons: list[str] = []
    need_logits: list[str] = []
    for name in dataset.protocols:
        if name == plain or name not in BY_ID:
            continue
        protocol = _between(BY_ID[name], spaces.get(BY_ID[name].label_space or dataset.label_space), theirs)
        if protocol.rule == "anchor-and-neighbours" and not whole:
            reasons.append(f"protocol {name} asks for all frames around an anchor, and some are not here")
            continue
        found = judge(protocol, spaces, dataset.label_space, view, ours.keys, theirs.keys)
        if isinstance(found, str):
            reasons.append(found)
        elif protocol.rule == "member" or _covers(found, len(theirs.keys)):
            judges.append(found)
        else:
            need_logits.append(name)
    notes = []
    if need_logits:
        # Other models' rows under these protocols are no rows to compare with.
        notes.append(
            f"{dataset.id}: decisions between {len(theirs.keys)} classes tell nothing under {', '.join(need_logits)}; "
            "that needs logits."
        )
    if not judges and reasons and plain not in dataset.protocols:
        notes.append(f"{dataset.id} is scored as the decisions stand ({plain}): {'; '.join(reasons)}.")
    return Applicable(tuple(judges), plain in dataset.protocols or not judges, tuple(notes))


def _covers(found: Judge, ways: int) -> bool:
    """Tell whether every column is a class of its own: then the best of all columns is the best class."""
    return sorted(list(group) for group in found.members) == [[at] for at in range(ways)]


def _between(protocol: Protocol, space: LabelSpace | None, classes: ClassList) -> Protocol:
    """Return a protocol whose columns are its own classes, where the decisions are between those."""
    if space is not None and set(space.keys) == set(classes.keys):
        return replace(protocol, own_columns=True)
    return protocol
