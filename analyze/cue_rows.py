"""Rows of cue-conflict images: does a decider go by shape or by texture, and does it err where people err?

Arrays and names in, rows out. Human observers are models like others, ingested one a subject: `<people>.subject-01`.
They are pooled, and compared with every model, once all models have been seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manifests.canonical import digest

from .intervals import clopper_pearson
from .judged import Judged
from .metrics.agreement import consistency_interval, error_consistency, mean_error_consistency
from .metrics.shape_bias import CueCounts, category_counts, cue_counts, shape_bias_of
from .protocols import BY_ID
from .resampling import Interval, percentiles
from .results import Key
from .table import Result

SUBJECT = ".subject-"
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class _Cues:
    """Decision, shape and texture of every image as indices of categories; which images have all, and which failed."""

    decisions: NDArray[np.int64]
    shapes: NDArray[np.int64]
    textures: NDArray[np.int64]
    used: NDArray[np.bool_]
    failed: NDArray[np.bool_]

    @classmethod
    def of(cls, answers: Judged, table: pl.DataFrame) -> _Cues | None:
        """Return them; None for images without cues, or decisions that are not between categories."""
        if answers.predictions is None:
            return None
        shapes, textures = (_categories(table, name, answers.classes) for name in ("shape", "texture"))
        if shapes is None or textures is None:
            return None
        known = answers.counted & (shapes >= 0) & (textures >= 0)
        found = cls(answers.predictions, shapes, textures, known & answers.ok, known & ~answers.ok)
        return found if found.used.any() else None

    def answers(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Decisions, shapes and textures of the images that have them."""
        return self.decisions[self.used], self.shapes[self.used], self.textures[self.used]


@dataclass(frozen=True, slots=True)
class _Decider:
    """What one model answered on one dataset: right or wrong a sample, and its cues."""

    key: Key
    samples: tuple[str, ...]
    right: NDArray[np.bool_]
    used: NDArray[np.bool_]
    cues: _Cues | None

    @property
    def people(self) -> str:
        """Whom a subject is one of; "" for others."""
        return self.key.model.partition(SUBJECT)[0] if SUBJECT in self.key.model else ""


@dataclass(slots=True)
class CueRows:
    """Rows of each model as it comes, and of models against observers at the end.

    notes
        Gets a line for what is left out.
    """

    notes: list[str]
    _seen: dict[tuple[str, str], list[_Decider]] = field(default_factory=dict)

    def one(self, key: Key, answers: Judged, table: pl.DataFrame) -> Iterator[Result]:
        """Yield shape bias and coverage of one model, over all conflict images and by shape category."""
        if answers.protocol not in BY_ID or not BY_ID[answers.protocol].cues:
            return
        key = replace(key, protocol=answers.protocol)
        cues, used = _Cues.of(answers, table), answers.counted & answers.ok
        decider = _Decider(key, tuple(table["sample"].to_list()), answers.top1 & used, used, cues)
        self._seen.setdefault((key.dataset, key.protocol), []).append(decider)
        if cues is not None:
            yield from self._bias(key, cues, answers.classes)

    def across(self) -> Iterator[Result]:
        """Yield what needs several: the observers pooled, and every model's error consistency with each of them."""
        for deciders in self._seen.values():
            for people in dict.fromkeys(decider.people for decider in deciders if decider.people):
                subjects = [decider for decider in deciders if decider.people == people]
                yield from self._pooled(people, subjects)
                for place, subject in enumerate(subjects):
                    for other in subjects[place + 1 :]:
                        yield from self._pair(subject, other)
                for decider in deciders:
                    if decider.people != people:
                        for subject in subjects:
                            yield from self._pair(decider, subject)
                        yield from self._with_all(decider, people, subjects)

    def _bias(self, key: Key, cues: _Cues, categories: Sequence[str]) -> Iterator[Result]:
        counts = cue_counts(*cues.answers())
        if not counts.n_conflict:
            return
        yield from _bias_rows(key, counts, int(cues.failed.sum()), "all")
        without = [] if counts.n_shape + counts.n_texture else ["any category"]
        for category, part in category_counts(*cues.answers()).items():
            failed = int((cues.failed & (cues.shapes == category)).sum())
            yield from _bias_rows(key, part, failed, categories[category])
            if counts.n_shape + counts.n_texture and not part.n_shape + part.n_texture:
                without.append(categories[category])
        if without:
            self.notes.append(
                f"{_where(key)}: no shape bias for {', '.join(without)}, since no decision is for the shape or the "
                "texture there."
            )

    def _pooled(self, people: str, subjects: Sequence[_Decider]) -> Iterator[Result]:
        """Yield shape bias and coverage of all observers together, under the name of the people."""
        seen = [(subject, subject.cues) for subject in subjects if subject.cues is not None]
        each = [cue_counts(*cues.answers()) for _, cues in seen]
        counts = CueCounts(*(sum(column) for column in zip(*each, strict=True))) if each else CueCounts(0, 0, 0)
        decided = counts.n_shape + counts.n_texture
        if not decided:
            return
        keys = [subject.key for subject, _ in seen]
        key = replace(_joint(keys), model=people, n_total=sum(key.n_total for key in keys))
        drawn = _pooled_intervals([(subject.samples, cues) for subject, cues in seen])
        failed = sum(int(cues.failed.sum()) for _, cues in seen)
        for metric, k, n, ends in (
            ("shape_bias", counts.n_shape, decided, drawn[0]),
            ("cue_coverage", decided, counts.n_conflict, drawn[1]),
        ):
            exact = clopper_pearson(k, n)
            hull = min(ends[0], exact[0]), max(ends[1], exact[1])
            yield key.row(metric, k / n, hull, n, failed, variant="pooled")

    def _pair(self, first: _Decider, second: _Decider) -> Iterator[Result]:
        (a, b), lost = _aligned([first, second])
        if not len(a):
            return
        found = error_consistency(a, b)
        key = _joint([first.key, second.key])
        if found.reason:
            self.notes.append(f"{_where(key)}: no error consistency with {second.key.model}, since {found.reason}.")
            return
        ends = consistency_interval(a, b)
        yield key.row("error_consistency", found.value, ends, len(a), lost, variant=second.key.model)

    def _with_all(self, decider: _Decider, people: str, subjects: Sequence[_Decider]) -> Iterator[Result]:
        """Yield the mean over the observers, `variant` naming the people."""
        (first, *others), lost = _aligned([decider, *subjects])
        if not len(first) or all(error_consistency(first, other).reason for other in others):
            return
        value, ends = mean_error_consistency(first, np.stack(others))
        key = _joint([decider.key, *(subject.key for subject in subjects)])
        yield key.row("error_consistency", value, ends, len(first), lost, variant=people)


def _bias_rows(key: Key, counts: CueCounts, failed: int, part: str) -> Iterator[Result]:
    decided = counts.n_shape + counts.n_texture
    ends = clopper_pearson(decided, counts.n_conflict)
    yield key.row("cue_coverage", decided / counts.n_conflict, ends, counts.n_conflict, failed, slice=part)
    if decided:
        ends = clopper_pearson(counts.n_shape, decided)
        yield key.row("shape_bias", shape_bias_of(counts).value, ends, decided, failed, slice=part)


def _categories(table: pl.DataFrame, column: str, categories: Sequence[str]) -> NDArray[np.int64] | None:
    """Category of every image, -1 where there is none; a column holds indices or names."""
    if column not in table.columns:
        return None
    values = table[column]
    if values.dtype == pl.String:
        index = {name: place for place, name in enumerate(categories)}
        return np.array([index.get(name, -1) for name in values.to_list()], np.int64)
    if not values.dtype.is_integer():
        return None
    found = values.fill_null(-1).to_numpy().astype(np.int64)
    return np.where(found < len(categories), found, -1)


def _aligned(deciders: Sequence[_Decider]) -> tuple[list[NDArray[np.bool_]], int]:
    """Right or wrong of each decider on the samples that all have used; and how many samples of the first are not."""
    samples = deciders[0].samples
    rows = [_places(decider.samples, samples) for decider in deciders]
    both = np.logical_and.reduce([(row >= 0) & decider.used[row] for row, decider in zip(rows, deciders, strict=True)])
    right = [decider.right[row[both]] for row, decider in zip(rows, deciders, strict=True)]
    return right, int((~both).sum())


def _places(samples: Sequence[str], wanted: Sequence[str]) -> NDArray[np.int64]:
    """Place of every wanted sample, -1 where it is not there."""
    if samples == wanted:
        return np.arange(len(wanted))
    at = {sample: row for row, sample in enumerate(samples)}
    return np.array([at.get(sample, -1) for sample in wanted], np.int64)


def _pooled_intervals(subjects: Sequence[tuple[Sequence[str], _Cues]]) -> tuple[Interval, Interval]:
    """Bootstrap over images of pooled shape bias and coverage: an image brings the answers of all observers."""
    samples = tuple(dict.fromkeys(sample for names, _ in subjects for sample in names))
    counts = np.zeros((len(samples), 3))
    for names, cues in subjects:
        conflict = cues.used & (cues.shapes != cues.textures)
        by_shape, by_texture = cues.decisions == cues.shapes, cues.decisions == cues.textures
        found = np.stack([conflict & by_shape, conflict & (by_shape | by_texture), conflict], axis=1)
        counts[_places(samples, names)] += found
    counts = counts[counts[:, 2] > 0]
    n = len(counts)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS) @ counts
    some = drawn[:, 1] > 0
    return percentiles(drawn[some, 0] / drawn[some, 1], 0.95), percentiles(drawn[:, 1] / drawn[:, 2], 0.95)


def _joint(keys: Sequence[Key]) -> Key:
    """Columns of a row that several were read for: those of the first, and a digest of all inputs."""
    return replace(keys[0], inputs=digest("inputs", [key.inputs for key in keys]))


def _where(key: Key) -> str:
    return f"{key.model} on {key.dataset} ({key.protocol})"
