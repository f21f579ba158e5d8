"""`assay-analyze report`: one page of whatever is there, opening with what was run and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cache.console import Options, print_data

from .selection import DEFAULT_OPTIONS, DEFAULT_SELECTION, Flag, Policy, Selection, exit_code, score_selection

if TYPE_CHECKING:
    from analyze.build_report import Seen
    from analyze.cells import Cell
    from analyze.measure import Measured
    from cache.store import Store


def report(
    *,
    selection: Selection = DEFAULT_SELECTION,
    on_failure: Policy = "exclude",
    strict: Flag = False,
    out: Path = Path("report"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write a self-contained page of whatever is there, opening with what is missing.

    Parameters
    ----------
    on_failure
        What to do with images that could not be read; a page leaves them out and says so.
    strict
        Exit 3 when something asked for is missing.
    out
        The folder to write to: report.html, results.csv and .parquet, and each figure as SVG, PNG, PDF.
    """
    from analyze.build_report import Seen, build_report, write_report

    seen: list[Seen] = []

    def visitor(store: Store) -> Callable[[Cell, Measured], None]:
        seen.append(Seen(store))
        return seen[0].see

    scored = score_selection(options, selection, on_failure, visitor=visitor)
    page = build_report(scored, seen[0], (*selection.words(), "--on-failure", on_failure))
    for file in write_report(page, scored, seen[0], out):
        print_data(str(file))
    return exit_code(scored, not strict)
