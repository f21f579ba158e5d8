"""Per-image numbers under one scoring protocol: which answers are right, and what was lost on each image.

Joins a protocol, the classes of a dataset and the columns of a model, once; then takes logits a few rows at a time,
so that memory stays flat. Knows no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manifests.schema import LabelSpace

from .calibrated import Forecast, Recorder, Scale
from .checks import Matrix
from .class_columns import classes_among, columns_of
from .metrics.classwise import ClasswiseSums
from .protocols import Members, Protocol, any_of, member_correct, restrict, vid_pm

TOP = 5
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Judged:
    """What every image of a dataset has under one protocol, in the order of the view.

    counted
        Whether the protocol asks for the image: it has a class, or is an anchor frame.
    ok
        Whether it has numbers.
    top1, top5
        Whether the answer, or one of the first five, is right; None where that says nothing.
    predictions, labels
        Class that is decided on and class that is right, for rules with one right class; None for others.
    confidence, sure, nll, brier
        Of the probabilities of the classes: the largest, whether its class is right, and the losses; None where the
        protocol has none.
    classwise
        Sums of all probabilities of the images that count; None where there are none, or several classes are right.
    scaled
        The same probabilities under other temperatures.
    """

    protocol: str
    classes: tuple[str, ...]
    counted: NDArray[np.bool_]
    ok: NDArray[np.bool_]
    top1: NDArray[np.bool_]
    top5: NDArray[np.bool_] | None = None
    predictions: NDArray[np.int64] | None = None
    labels: NDArray[np.int64] | None = None
    confidence: NDArray[np.float64] | None = None
    sure: NDArray[np.bool_] | None = None
    nll: NDArray[np.float64] | None = None
    brier: NDArray[np.float64] | None = None
    classwise: ClasswiseSums | None = None
    scaled: tuple[Forecast, ...] = ()


@dataclass(frozen=True, slots=True)
class _Targets:
    """Right classes of each row, as one flat list."""

    classes: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, sets: Sequence[Sequence[int]]) -> _Targets:
        sizes = [len(one) for one in sets]
        flat = [index for one in sets for index in one]
        return cls(np.array(flat, np.int64), np.cumsum([0, *sizes], dtype=np.int64))

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def mask(self, rows: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
        sizes = self.sizes[rows]
        found = np.zeros((len(rows), k), bool)
        # Places in the flat list: each row's start, then one after the other.
        before = np.cumsum(sizes) - sizes
        at = np.repeat(self.starts[rows] - before, sizes) + np.arange(int(sizes.sum()))
        found[np.repeat(np.arange(len(rows)), sizes), self.classes[at]] = True
        return found

    def single(self) -> NDArray[np.int64]:
        first = np.full(len(self.starts) - 1, -1, np.int64)
        first[self.sizes == 1] = self.classes[self.starts[:-1][self.sizes == 1]]
        return first


class Judge:
    """Collects the numbers of one protocol over the packs of a cell.

    Built by `judge`; `put` takes logits, `judged` gives the answer.
    """

    def __init__(self, protocol: Protocol, space: LabelSpace, members: Members, targets: _Targets, view: pl.DataFrame):
        n = view.height
        self.protocol = protocol
        self._space = space
        self._members = members
        self._targets = targets
        self._view = view
        self._several = any(len(group) > 1 for group in members)
        self._top1 = np.zeros(n, bool)
        self._top5 = np.zeros(n, bool)
        self._predictions = np.full(n, -1, np.int64)
        self._counted = self._which_count()
        self._recorders = [self._recorder(Scale())] if protocol.calibrated else []

    @property
    def members(self) -> Members:
        """Columns of each class."""
        return self._members

    @property
    def space(self) -> str:
        """Id of the label space of the classes."""
        return self._space.id

    @property
    def labels(self) -> NDArray[np.int64]:
        """`(n,)` the one right class of each image, -1 where there is none or several are right."""
        return self._targets.single()

    def scale(self, scales: Iterable[Scale]) -> None:
        """Ask for the probabilities under other temperatures, too; to be said before the first logits come.

        Logits of a class are divided after its columns were merged.
        """
        self._recorders += [self._recorder(scale) for scale in scales if self.protocol.calibrated]

    def _recorder(self, scale: Scale) -> Recorder:
        return Recorder(len(self._counted), len(self._members), scale, self._counted)

    def _which_count(self) -> NDArray[np.bool_]:
        """Images that have a class, of anchors and neighbours the anchors."""
        rule, n = self.protocol.rule, self._view.height
        counted = np.ones(n, bool) if rule == "member" else self._targets.sizes > 0
        if rule in ("anchor", "anchor-and-neighbours"):
            counted = counted & (self._view["sample"] == self._view["anchor"]).to_numpy()
        return counted

    def put(self, index: NDArray[np.int64], logits: Matrix) -> None:
        """Take the logits of some images.

        Parameters
        ----------
        index
            `(m,)` places of the images in the view.
        logits
            `(m, c)`, finite, all columns of the model.
        """
        for start in range(0, len(index), _BLOCK):
            self._put(index[start : start + _BLOCK], logits[start : start + _BLOCK])

    def _put(self, at: NDArray[np.int64], logits: Matrix) -> None:
        k = len(self._members)
        targets = self._targets.mask(at, k)
        if self.protocol.rule == "member":
            self._top1[at] = member_correct(logits, self._members, targets)
            return
        decided = restrict(logits, self._members, self.protocol.merge)
        # argmax takes the first of equals: classes that share a name are told apart by the lower index.
        prediction = decided.argmax(axis=1)
        self._predictions[at] = prediction
        self._top1[at] = any_of(prediction, targets)
        if k >= TOP:
            self._top5[at] = _among_first(decided, targets, TOP)
        if self.protocol.calibrated:
            summed = decided
            if self._several and self.protocol.merge != "logsumexp":
                summed = restrict(logits, self._members, "logsumexp")
            self._lose(at, summed, targets)

    def _lose(self, at: NDArray[np.int64], logits: Matrix, targets: NDArray[np.bool_]) -> None:
        sizes = targets.sum(axis=1)
        one, several = sizes == 1, sizes > 1
        for recorder in self._recorders:
            if one.any():
                recorder.put(at[one], logits[one], targets[one].argmax(axis=1))
            if several.any():
                recorder.put_sets(at[several], logits[several], targets[several])

    def judged(self, ok: NDArray[np.bool_]) -> Judged:
        """Return what was collected; `ok` tells which images have numbers."""
        rule, counted = self.protocol.rule, self._counted
        top1, single = self._top1, rule == "label"
        if rule in ("anchor", "anchor-and-neighbours"):
            samples, named = self._view["sample"].to_list(), self._view["anchor"].to_list()
            # In a part of the dataset an anchor may not be here; its neighbours then stand alone and do not count.
            here = set(samples)
            anchors = [anchor if anchor in here else sample for sample, anchor in zip(samples, named, strict=True)]
            rows, _, whole = vid_pm(top1, samples, anchors)
            if rule == "anchor-and-neighbours":
                top1, ok = top1.copy(), ok.copy()
                top1[rows] = whole
                ok[rows] = vid_pm(ok, samples, anchors)[2]
        decides = rule in ("label", "any-of", "anchor")
        forecasts = [recorder.forecast() for recorder in self._recorders]
        raw = forecasts[0] if forecasts else None
        return Judged(
            protocol=self.protocol.id,
            classes=self._space.keys,
            counted=counted,
            ok=ok,
            top1=top1,
            top5=self._top5 if decides and len(self._members) >= TOP else None,
            predictions=self._predictions if single else None,
            labels=self._targets.single() if single else None,
            confidence=None if raw is None else raw.confidence,
            sure=None if raw is None else raw.correct,
            nll=None if raw is None else raw.nll,
            brier=None if raw is None else raw.brier,
            classwise=None if raw is None else raw.classwise,
            scaled=tuple(forecasts[1:]),
        )


def _among_first(logits: Matrix, targets: NDArray[np.bool_], k: int) -> NDArray[np.bool_]:
    """Whether the best right class of each row is among the k largest, ties going to the lowest index."""
    own = np.where(targets, logits, -np.inf)
    best, at = own.max(axis=1, keepdims=True), own.argmax(axis=1)[:, None]
    rank = (logits > best).sum(axis=1) + ((logits == best) & (np.arange(logits.shape[1]) < at)).sum(axis=1)
    return np.asarray(targets.any(axis=1) & (rank < k))


def judge(
    protocol: Protocol,
    spaces: Mapping[str, LabelSpace],
    own_space: str,
    view: pl.DataFrame,
    view_keys: Sequence[str],
    model_keys: Sequence[str],
) -> Judge | str:
    """Join a protocol with a dataset and a model.

    Parameters
    ----------
    spaces
        Label spaces by id.
    own_space
        The dataset's label space, for protocols that leave theirs open.
    view
        Table of the dataset: sample, label, and the columns that the rule needs (labels, anchor).
    view_keys, model_keys
        What the dataset's labels and the model's columns stand for.

    Returns
    -------
    Judge or str
        Or why the protocol does not apply.
    """
    name = protocol.label_space or own_space
    if name not in spaces:
        return f"protocol {protocol.id} needs a label space; the dataset has none"
    space = spaces[name]
    over = spaces[space.over] if space.over else None
    columns = space if protocol.own_columns or over is None else over
    members = columns_of(space, None if protocol.own_columns else over, model_keys)
    if members is None:
        return f"protocol {protocol.id} needs a column for every class of {columns.id} that counts"
    if protocol.rule in ("anchor", "anchor-and-neighbours") and "anchor" not in view.columns:
        return f"protocol {protocol.id} needs the column anchor, which the dataset's version does not have"
    among = classes_among(space, over, view_keys)
    return Judge(protocol, space, members, _targets(protocol, view, among), view)


def _targets(protocol: Protocol, view: pl.DataFrame, among: NDArray[np.int64]) -> _Targets:
    if protocol.rule not in ("label", "member") and "labels" in view.columns:
        sets = view["labels"].to_list()
    else:
        sets = [[] if label is None else [label] for label in view["label"].to_list()]
    chosen = [sorted({int(among[index]) for index in one or () if among[index] >= 0}) for one in sets]
    return _Targets.of(chosen)
