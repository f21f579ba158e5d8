"""`assay-analyze`: every number, figure and page, from a store alone. No image is read and no torch is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cache import console
from cache.console import Options, log, make_app, print_data, print_json, run_app
from manifests.errors import AssayError, UsageError

from .commands.trend import trend

if TYPE_CHECKING:
    from cache.store import Store

    from .cells import Cell
    from .measure import Measured
    from .score import Scored

app = make_app("assay-analyze", "Compute metrics, figures and reports from a store.")
app.command(trend)

Names = list[str] | None
Flag = Annotated[bool, Parameter(negative="")]
Policy = Literal["error", "exclude", "count-wrong"]
DEFAULT_OPTIONS = Options()


def _many(help: str) -> Parameter:
    return Parameter(negative="", consume_multiple=False, help=help)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which cells a command is about."""

    model: Annotated[Names, _many("Models by id or glob; none means all that the store was asked for.")] = None
    dataset: Annotated[Names, _many("Datasets by id or glob; none means all.")] = None
    space: Annotated[Names, _many("Which space is meant where a model is bound to several.")] = None
    prompts: Annotated[Names, _many("Prompt sets of zero-shot models: ids, globs, a file; none means all stored.")] = (
        None
    )
    study: Annotated[str, Parameter(help="What a study names, block by block.")] = ""
    id_dataset: Annotated[str, Parameter(help="The in-distribution set of detection; else imagenet-val.")] = ""
    ood_dataset: Annotated[Names, _many("Sets out of distribution; else those whose manifest says so.")] = None

    def words(self) -> tuple[str, ...]:
        """Return the options as they stand on a command line."""
        repeated = (("--model", self.model), ("--dataset", self.dataset), ("--space", self.space))
        words = [
            word
            for name, values in (*repeated, ("--prompts", self.prompts))
            for one in values or ()
            for word in (name, one)
        ]
        words += [
            word
            for name, one in (("--study", self.study), ("--id-dataset", self.id_dataset))
            if one
            for word in (name, one)
        ]
        return (*words, *(word for one in self.ood_dataset or () for word in ("--ood-dataset", one)))


DEFAULT_SELECTION = Selection()


def _score(
    options: Options,
    selection: Selection,
    on_failure: Policy,
    *,
    allow_partial: bool = False,
    keep_scores: bool = False,
    visitor: Callable[[Store], Callable[[Cell, Measured], None]] | None = None,
) -> Scored:
    from cache.store import Store, store_path
    from manifests.catalogue import load, user_folders
    from manifests.selection import split_patterns

    from .asked import Ask
    from .score import score as do_score

    options.start_logging()
    store = Store(store_path(options.store))
    catalogue = load(user_folders(options.manifests, os.environ))
    if selection.study and selection.study not in catalogue.studies:
        raise UsageError(f"no study {selection.study!r}; the manifests have {', '.join(catalogue.studies) or 'none'}.")
    ask = Ask(
        models=tuple(selection.model or ()),
        datasets=tuple(selection.dataset or ()),
        spaces=split_patterns(selection.space) if selection.space else (),
        prompts=tuple(selection.prompts or ()),
        study=catalogue.studies[selection.study] if selection.study else None,
        id_dataset=selection.id_dataset,
        ood_datasets=split_patterns(selection.ood_dataset) if selection.ood_dataset else (),
        allow_partial=allow_partial,
    )
    scored = do_score(
        store,
        catalogue,
        ask,
        on_failure=on_failure,
        keep_scores=keep_scores,
        visit=visitor(store) if visitor else lambda cell, measured: None,
    )
    for note in (*scored.missing, *scored.notes):
        log.warning("%s", note)
    return scored


def _code(scored: Scored, allow_missing: bool) -> int:
    from .score import raise_failed

    raise_failed(scored)
    return 3 if scored.missing and not allow_missing else 0


def _check_suffix(out: Path | None) -> None:
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {out}: expected a name that ends in .csv or .parquet.")


@app.command
def score(
    *,
    selection: Selection = DEFAULT_SELECTION,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    allow_partial: Flag = False,
    no_write_scores: Flag = False,
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
    out
        A .csv or .parquet file; else CSV on stdout.
    """
    from .table import json_rows, table_bytes, write_table

    _check_suffix(out)
    scored = _score(options, selection, on_failure, allow_partial=allow_partial, keep_scores=not no_write_scores)
    if out is not None:
        about = {
            "missing": [str(cell) for cell in scored.missing],
            "failed": list(scored.failed),
            "notes": list(scored.notes),
        }
        write_table(scored.table, out, about)
        log.info("wrote %d rows to %s", scored.table.height, out)
    elif options.json:
        print_json(json_rows(scored.table))
    else:
        print_data(table_bytes(scored.table, ".csv").decode())
    return _code(scored, allow_missing)


@app.command
def figure(
    name: Literal["reliability", "metric-dots"],
    *,
    metric: str = "accuracy_top1",
    selection: Selection = DEFAULT_SELECTION,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    formats: str = "html,svg,png,pdf",
    out: Path = Path("figures"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Draw a figure and write the data behind it.

    Parameters
    ----------
    name
        Which figure.
    metric
        For metric-dots: which metric of the results table.
    on_failure
        What to do with images that could not be read.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    formats
        Any of html, svg, png, pdf.
    out
        The folder to write to.
    """
    from .build_report import Seen
    from .figure_data import distinct_rows
    from .figures import metric_dots, reliability
    from .figures.export import export
    from .table import INTERVALS, finite

    if metric not in INTERVALS:
        raise UsageError(f"--metric {metric}: expected one of {', '.join(INTERVALS)}.")
    wanted = tuple(part.strip() for part in formats.split(",") if part.strip())
    seen: list[Seen] = []

    def visitor(store: Store) -> Callable[[Cell, Measured], None]:
        seen.append(Seen(store))
        return seen[0].see

    scored = _score(options, selection, on_failure, visitor=visitor if name == "reliability" else None)
    table = seen[0].bins() if seen else distinct_rows(finite(scored.table).filter(scored.table["metric"] == metric))
    if not table.height:
        raise _nothing_to_draw(scored, name if seen else f"{name} of {metric}")
    try:
        if seen:
            files = export(lambda medium: reliability.chart(table, medium), table, out, name, wanted,
                           label=reliability.describe(table))  # fmt: skip
        else:
            files = export(lambda medium: metric_dots.chart(table, metric, medium), table, out, name, wanted,
                           label=metric_dots.describe(table, metric))  # fmt: skip
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written ({error.strerror or error}).") from error
    for file in files:
        print_data(str(file))
    return _code(scored, allow_missing)


def _nothing_to_draw(scored: Scored, what: str) -> AssayError:
    from cache.errors import IncompleteError

    from .score import raise_failed

    raise_failed(scored)
    here = ", ".join(sorted(set(scored.table["metric"]))) or "no metric at all"
    why = "what is missing stands above" if scored.missing else "it needs labelled images, or sets out of distribution"
    return IncompleteError(f"nothing to draw for {what}: the cells that are here give {here}; {why}.")


@app.command
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
    from .build_report import Seen, build_report, write_report

    seen: list[Seen] = []

    def visitor(store: Store) -> Callable[[Cell, Measured], None]:
        seen.append(Seen(store))
        return seen[0].see

    scored = _score(options, selection, on_failure, visitor=visitor)
    page = build_report(scored, seen[0], (*selection.words(), "--on-failure", on_failure))
    for file in write_report(page, scored, seen[0], out):
        print_data(str(file))
    return _code(scored, not strict)


@app.command
def export(
    *,
    selection: Selection = DEFAULT_SELECTION,
    allow_missing: Flag = False,
    out: Path = Path("predictions.parquet"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write what every model said of every image: truth, five best classes, confidence, margin, status.

    Parameters
    ----------
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    out
        A .csv or .parquet file.
    """
    import polars as pl

    from .figure_data import PREDICTIONS, predictions_rows
    from .table import write_table

    _check_suffix(out)
    parts = [pl.DataFrame(schema=PREDICTIONS)]

    def visitor(store: Store) -> Callable[[Cell, Measured], None]:
        return lambda cell, measured: parts.append(predictions_rows(store, cell, measured))

    scored = _score(options, selection, "exclude", visitor=visitor)
    write_table(pl.concat(parts), out, {"missing": [str(cell) for cell in scored.missing]})
    print_data(str(out))
    return _code(scored, allow_missing)


def main() -> None:
    """Run the command line."""
    console.exit_with(lambda: run_app(app))
