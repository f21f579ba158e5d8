"""`assay-analyze report`: one page of whatever is there, opening with what was run and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cache.console import Options, print_data

from .selection import (
    DEFAULT_OPTIONS,
    DEFAULT_SELECTION,
    Flag,
    Policy,
    Selection,
    exit_code,
    load_catalogue,
    score_selection,
)

if TYPE_CHECKING:
    from analyze.cell import Cell
    from analyze.measure import Measured
    from cache.store import Store


def report(
    *,
    selection: Selection = DEFAULT_SELECTION,
    on_failure: Policy = "exclude",
    strict: Flag = False,
    open_: Annotated[bool, Parameter(name="--open", negative="")] = False,
    out: Path = Path("report"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write a self-contained page of whatever is there, opening with what was run and what is missing.

    Parameters
    ----------
    on_failure
        What to do with images that could not be read; a page leaves them out and says so.
    strict
        Exit 3 when something asked for is missing.
    open_
        Show the page in the browser of this machine. It is a file: nothing is served.
    out
        The folder to write to: report.html, results.csv and .parquet, and each figure as SVG, PNG, PDF.
    """
    from analyze.build_report import build_report, gather, write_report
    from analyze.seen import Seen

    seen: list[Seen] = []
    catalogue = load_catalogue(options)

    def visitor(store: Store) -> Callable[[Cell, Measured], None]:
        seen.append(Seen(store, catalogue.datasets))
        return seen[0].see

    scored = score_selection(options, selection, on_failure, visitor=visitor)
    study = catalogue.studies[selection.study] if selection.study else None
    gathered = gather(scored, seen[0], (*selection.words(), "--on-failure", on_failure), catalogue, study)
    files = write_report(build_report(gathered), gathered, out)
    for file in files:
        print_data(str(file))
    if open_:
        import webbrowser

        webbrowser.open(files[0].resolve().as_uri())
    return exit_code(scored, not strict)
