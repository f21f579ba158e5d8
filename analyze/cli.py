"""`assay-analyze`: every number, figure and page, from a store alone. No image is read and no torch is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from cache import console
from cache.console import Options, log, make_app, print_data, print_json, run_app

from .commands.attest import attest
from .commands.claims import claims
from .commands.figure import figure
from .commands.prompts import prompts
from .commands.questions import questions
from .commands.report import report
from .commands.selection import (
    DEFAULT_OPTIONS,
    DEFAULT_SELECTION,
    Flag,
    Names,
    Policy,
    Selection,
    check_suffix,
    exit_code,
    score_selection,
)
from .commands.table import table
from .commands.trend import trend

if TYPE_CHECKING:
    from cache.store import Store

    from .cell import Cell
    from .measure import Measured

app = make_app("assay-analyze", "Compute metrics, figures and reports from a store.")
app.command(trend)
app.command(figure)
app.command(table)
app.command(claims)
app.command(prompts)
app.command(questions)
app.command(report)
app.command(attest)


@app.command
def score(
    *,
    selection: Selection = DEFAULT_SELECTION,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    allow_partial: Flag = False,
    no_write_scores: Flag = False,
    split: Path | None = None,
    split_seed: int = 0,
    features: Flag = False,
    neighbours: Annotated[int, Parameter(validator=Number(gte=1))] = 50,
    option_lists: Annotated[Names, Parameter(negative="", consume_multiple=False)] = None,
    out: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Compute every metric that the asked-for cells allow, as one tidy table.

    Parameters
    ----------
    on_failure
        What to do with images that could not be read.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    allow_partial
        Compute cells from what is here; n and n_total say how much that is.
    no_write_scores
        Leave the store as it is; else per-image scores are kept there, for when the logits are gone.
    split
        Samples of the in-distribution set to fit temperatures on, one a line or a CSV with the column sample; else
        half of the images by a hash of their content.
    split_seed
        Another number makes another half.
    features
        Also fit the detectors that look at embeddings (mahalanobis, knn, vim and others), which takes longer.
    neighbours
        Which neighbour the detector knn looks at.
    option_lists
        Models that select the four options of ImageNet-D's questions; else each model for itself, and those of the
        journal's Table III that are here.
    out
        A .csv or .parquet file; else CSV on stdout.
    """
    from .fitting import Fitting, Split, read_split
    from .table import json_rows, table_bytes, write_table

    check_suffix(out)
    halves = Split(split_seed, read_split(split) if split else ())
    scored = score_selection(
        options,
        selection,
        on_failure,
        allow_partial=allow_partial,
        keep_scores=not no_write_scores,
        fitting=Fitting(halves, features, neighbours),
        option_lists=option_lists,
    )
    if out is not None:
        about = {
            "missing": [str(cell) for cell in scored.missing],
            "failed": list(scored.failed),
            "notes": list(scored.notes),
            "fitting": {
                "split": split.name if split else "by hash",
                "split_seed": split_seed,
                "neighbours": neighbours,
            },
        }
        write_table(scored.table, out, about)
        log.info("wrote %d rows to %s", scored.table.height, out)
    elif options.json:
        print_json(json_rows(scored.table))
    else:
        print_data(table_bytes(scored.table, ".csv").decode())
    return exit_code(scored, allow_missing)


@app.command
def export(
    *,
    selection: Selection = DEFAULT_SELECTION,
    by_class: Flag = False,
    allow_missing: Flag = False,
    out: Path = Path("predictions.parquet"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write what every model said of every image: truth, five best classes, confidence, margin, status.

    Parameters
    ----------
    by_class
        Write the accuracy of every class instead, under each protocol.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    out
        A .csv or .parquet file.
    """
    import polars as pl

    from .class_accuracies import CLASS_ACCURACIES, class_accuracy_rows
    from .figure_data import PREDICTIONS, predictions_rows
    from .table import write_table

    check_suffix(out)
    rows_of = class_accuracy_rows if by_class else predictions_rows
    parts = [pl.DataFrame(schema=CLASS_ACCURACIES if by_class else PREDICTIONS)]

    def visitor(store: Store) -> Callable[[Cell, Measured], None]:
        return lambda cell, measured: parts.append(rows_of(store, cell, measured))

    scored = score_selection(options, selection, "exclude", visitor=visitor)
    write_table(pl.concat(parts), out, {"missing": [str(cell) for cell in scored.missing]})
    print_data(str(out))
    return exit_code(scored, allow_missing)


def main() -> None:
    """Run the command line."""
    console.exit_with(lambda: run_app(app))
