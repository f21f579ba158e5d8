"""Rows of questions that language models answered: right in the journal's order, on average, in every order, by
likelihood; and whether a model prefers places.

`variant` is the list that the options came from. An answer that no option can be read from is wrong, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cache.commits import RowFailure
from cache.reader import Reader
from cache.records import LETTERS, Record, read_records
from manifests.schema import Dataset

from .intervals import clopper_pearson
from .metrics.answers import parse_answer
from .metrics.options import read_choices
from .option_lists import protocol_of
from .record_cells import RecordCell
from .resampling import Interval, percentiles
from .results import OnFailure
from .row_key import Key
from .slices import Slice, column_slices
from .table import Result

ORDERS = len(LETTERS)
DRAWS = 1000
_DRAWS_A_BLOCK = 64
_NOT_ASKED, _FAILED = -3, -2


@dataclass(frozen=True, slots=True)
class _Choices:
    """What a model chose of one list, for each sample in each order of the options.

    said, likely
        int (n, orders) place of the option that the text names (-1: none can be read), and of the likeliest letter
        (-1: not known); _NOT_ASKED where there is no question, _FAILED where it has no answer.
    """

    said: NDArray[np.int64]
    likely: NDArray[np.int64]

    @classmethod
    def blank(cls, n: int) -> _Choices:
        return cls(*(np.full((n, ORDERS), _NOT_ASKED, np.int64) for _ in range(2)))


def record_rows(
    reader: Reader,
    cells: Iterable[RecordCell],
    datasets: Mapping[str, Dataset],
    policy: OnFailure,
    notes: list[str],
    failed: list[str],
) -> Iterator[Result]:
    """Yield the rows of every cell.

    Parameters
    ----------
    policy
        What to do with questions that have no answer.
    notes
        Gets a line for what was left out.
    failed
        Gets a line for a cell that is left out as a whole.

    Raises
    ------
    IntegrityError
        When data are damaged.
    """
    for cell in cells:
        binding, table = cell.binding, cell.view.table
        where = f"{binding.model} on {binding.dataset}"
        found, lost = _read(reader, cell)
        if lost:
            first = next(iter(lost))
            said = f"{where}: {len(lost)} questions have no answer, the first ({first.status}: {first.detail})."
            if policy == "error":
                failed.append(
                    f"{said} --on-failure exclude leaves their images out, --on-failure count-wrong counts them as "
                    "wrong."
                )
                continue
            notes.append(said)
        manifest = datasets.get(binding.dataset)
        key = Key(binding.model, binding.group, binding.dataset, protocol_of(manifest), "", cell.inputs, table.height)
        parts = (Slice("all", np.arange(table.height)), *column_slices(table, manifest))
        fewer: dict[int, list[str]] = {}
        for name in sorted(found):
            yield from choice_rows(key, f"list:{name}", found[name].said, found[name].likely, parts, policy)
            orders = int((found[name].said != _NOT_ASKED).any(axis=0).sum())
            if orders < ORDERS:
                fewer.setdefault(orders, []).append(name)
        notes += [
            f"{where}, list of {', '.join(names)}: asked in {orders} of the {ORDERS} orders of the options, so only "
            "the journal's reading can be told; a model that prefers the first place looks better in it."
            for orders, names in fewer.items()
        ]


def choice_rows(
    key: Key,
    variant: str,
    said: NDArray[np.int64],
    likely: NDArray[np.int64],
    parts: Sequence[Slice],
    policy: OnFailure,
) -> Iterator[Result]:
    """Yield the rows of one list.

    Parameters
    ----------
    said, likely
        int (n, 4); see the fields of answers: a place, -1 unread, -2 without an answer, -3 not asked.
    parts
        Slices of the dataset; the first is all of it.
    """
    for at, part in enumerate(parts):
        more = {"variant": variant, "slice": part.name}
        yield from _paper(key, said[part.rows, 0], policy, more)
        chosen, lost = _whole(said[part.rows], policy)
        if not len(chosen):
            continue
        readings, right = read_choices(chosen), chosen == np.arange(ORDERS)
        n, every = len(chosen), right.all(axis=1)
        yield key.row("accuracy_shuffled", readings.shuffled, _of_images(right.mean(axis=1)), n, lost, **more)
        yield key.row("accuracy_circular", readings.circular, clopper_pearson(int(every.sum()), n), n, lost, **more)
        unread = (chosen < 0).mean(axis=1)
        yield key.row("unparsed_rate", readings.unparsed, _of_images(unread), n, lost, **more)
        if at == 0 and readings.unparsed < 1:
            for place, letter in enumerate(LETTERS):
                share = readings.letters[place]
                ends = _of_ratio((chosen == place).sum(axis=1), (chosen >= 0).sum(axis=1), share)
                yield key.row("letter_share", share, ends, n, lost, variant=variant, slice=letter)
        by_letters, lost = _whole(likely[part.rows], policy)
        if len(by_letters) and (by_letters[(by_letters != -1).any(axis=1)] >= 0).all() and (by_letters >= 0).any():
            hits = (by_letters == np.arange(ORDERS)).mean(axis=1)
            yield key.row("accuracy_likelihood", hits.mean(), _of_images(hits), len(hits), lost, **more)


def _paper(key: Key, first: NDArray[np.int64], policy: OnFailure, more: Mapping[str, str]) -> Iterator[Result]:
    asked, lost = first != _NOT_ASKED, int((first == _FAILED).sum())
    n = int(asked.sum()) - (0 if policy == "count-wrong" else lost)
    if n:
        k = int((first == 0).sum())
        yield key.row("accuracy_paper_order", k / n, clopper_pearson(k, n), n, lost, **more)


def _whole(choices: NDArray[np.int64], policy: OnFailure) -> tuple[NDArray[np.int64], int]:
    """Return the choices about images that were asked about in every order, and how many of these have no answer."""
    asked = choices[(choices != _NOT_ASKED).all(axis=1)]
    lost = (asked == _FAILED).any(axis=1)
    kept = np.where(asked == _FAILED, -1, asked) if policy == "count-wrong" else asked[~lost]
    return kept, int(lost.sum())


def _of_images(values: NDArray[np.float64]) -> Interval:
    """Percentile bootstrap of a mean over images, widened by the exact interval where all images agree."""
    n, value = len(values), float(values.mean())
    rng, blocks = np.random.default_rng(0), []
    for start in range(0, DRAWS, _DRAWS_A_BLOCK):
        times = rng.multinomial(n, np.full(n, 1 / n), size=min(_DRAWS_A_BLOCK, DRAWS - start))
        blocks.append(times @ values / n)
    lo, hi = percentiles(np.concatenate(blocks), 0.95)
    exact = clopper_pearson(round(value * n), n)
    if value in (0.0, 1.0):
        lo, hi = min(lo, exact[0]), max(hi, exact[1])
    return min(lo, value), max(hi, value)


def _of_ratio(part: NDArray[np.int64], whole: NDArray[np.int64], value: float) -> Interval:
    """Percentile bootstrap over images of a ratio of sums; draws without any answer are left out."""
    n = len(part)
    rng, blocks = np.random.default_rng(0), []
    for start in range(0, DRAWS, _DRAWS_A_BLOCK):
        times = rng.multinomial(n, np.full(n, 1 / n), size=min(_DRAWS_A_BLOCK, DRAWS - start))
        totals = times @ whole
        blocks.append((times @ part)[totals > 0] / totals[totals > 0])
    lo, hi = percentiles(np.concatenate(blocks), 0.95)
    exact = clopper_pearson(round(value * n), n)
    if value in (0.0, 1.0):
        lo, hi = min(lo, exact[0]), max(hi, exact[1])
    return min(lo, value), max(hi, value)


def _read(reader: Reader, cell: RecordCell) -> tuple[dict[str, _Choices], list[RowFailure]]:
    """Return the choices of each list, and the questions without an answer."""
    table, space = cell.view.table, reader.store.space(cell.binding.label)
    rows_of = _rows_of(table)
    found: dict[str, _Choices] = {}
    lost: list[RowFailure] = []
    for pack in cell.packs:
        records, failures = read_records(reader, reader.unit("records", space, pack))
        for row, record in enumerate(records):
            rows = rows_of.get(record.question.image_id)
            if rows is None:
                continue  # asked about an image that is in another version of the dataset
            choices = found.setdefault(record.question.list, _Choices.blank(table.height))
            order = record.question.rotation
            choices.said[rows, order], choices.likely[rows, order] = _choice(record)
            if record.answer is None:
                lost.append(failures[row])
    return found, lost


def _rows_of(table: pl.DataFrame) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, image in enumerate(table["image_id"].to_list()):
        rows.setdefault(image, []).append(row)
    return rows


def _choice(record: Record) -> tuple[int, int]:
    answer = record.answer
    if answer is None:
        return _FAILED, _FAILED
    place, _ = parse_answer(answer.text, record.question.options)
    likely = -1 if answer.letter_logits is None else int(np.argmax(answer.letter_logits))
    return (-1 if place is None else place), likely
