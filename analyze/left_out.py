"""What is said of images without numbers. Knows words only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cache.commits import RowFailure

from .cell import Cell
from .measure import Measured


def say_failed(cell: Cell, measured: Measured, policy: str) -> str:
    """Say why a cell is left out as a whole."""
    first = min(measured.failures)
    failure = measured.failures[first]
    said = (
        f"{cell.binding.model} on {cell.binding.dataset}: {len(measured.failures)} of {cell.view.table.height} images "
        f"have no numbers, the first is {cell.view.table['sample'][first]!r} ({failure.status}: {failure.detail}). "
    )
    if policy != "error":
        return f"{said}None is left to count."
    return f"{said}--on-failure exclude leaves them out, --on-failure count-wrong counts them as wrong."


def say_excluded(excluded: Iterable[tuple[Cell, Mapping[int, RowFailure]]]) -> Iterator[str]:
    """Say which images were left out, once for all models that lack the same ones."""
    models: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    words: dict[tuple[str, tuple[int, ...]], str] = {}
    for cell, failures in excluded:
        table = cell.view.table
        rows = tuple(sorted(failures))
        key = (cell.binding.dataset, rows)
        failure = failures[rows[0]]
        words[key] = (
            f"{len(rows)} of {table.height} images of {cell.binding.dataset} have no numbers, the first is "
            f"{table['sample'][rows[0]]!r} ({failure.status}: {failure.detail})"
        )
        models.setdefault(key, []).append(cell.binding.model)
    for key, said in words.items():
        names = list(dict.fromkeys(models[key]))
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        yield f"{said}: {shown}."
