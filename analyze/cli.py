"""`assay-analyze`: every number, figure and page, from a store alone. No image is read and no torch is needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cache import console
from cache.console import Options, log, make_app, print_data, print_json, run_app
from manifests.errors import UsageError

if TYPE_CHECKING:
    from cache.store import Store

    from .results import OnFailure
    from .score import Scored

app = make_app("assay-analyze", "Compute metrics, figures and reports from a store.")

Many = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]
Flag = Annotated[bool, Parameter(negative="")]
Policy = Literal["error", "exclude", "count-wrong"]
DEFAULT_OPTIONS = Options()


def _score(
    options: Options,
    model: list[str] | None,
    dataset: list[str] | None,
    space: list[str] | None,
    prompts: list[str] | None,
    study: str,
    id_dataset: str,
    ood_dataset: list[str] | None,
    on_failure: OnFailure,
    allow_partial: bool,
) -> tuple[Store, Scored]:
    from cache.store import Store, store_path
    from manifests.catalogue import load, user_folders
    from manifests.selection import split_patterns

    from .cells import Ask
    from .score import score as do_score

    options.start_logging()
    store = Store(store_path(options.store))
    catalogue = load(user_folders(options.manifests, os.environ))
    models, datasets = tuple(model or ()), tuple(dataset or ())
    if study:
        if study not in catalogue.studies:
            raise UsageError(f"no study {study!r}; the manifests have {', '.join(catalogue.studies)}.")
        blocks = catalogue.studies[study].blocks
        models = models or tuple(name for block in blocks for name in block.models)
        datasets = datasets or tuple(name for block in blocks for name in block.datasets)
    ask = Ask(
        models=models,
        datasets=datasets,
        spaces=tuple(space or ()),
        prompts=split_patterns(prompts) if prompts else (),
        allow_partial=allow_partial,
    )
    ood = split_patterns(ood_dataset) if ood_dataset else ()
    scored = do_score(store, catalogue, ask, id_dataset=id_dataset, ood_datasets=ood, on_failure=on_failure)
    for note in (*scored.missing, *scored.notes):
        log.warning("%s", note)
    return store, scored


def _code(scored: Scored, allow_missing: bool) -> int:
    from .score import raise_failed

    raise_failed(scored)
    return 3 if scored.missing and not allow_missing else 0


@app.command
def score(
    *,
    model: Many = None,
    dataset: Many = None,
    space: Many = None,
    prompts: Many = None,
    study: str = "",
    id_dataset: str = "",
    ood_dataset: Many = None,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    allow_partial: Flag = False,
    out: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Compute every metric that the asked-for cells allow, as one tidy table.

    Parameters
    ----------
    model
        Models by id or glob; none means all.
    dataset
        Datasets by id or glob; none means all.
    space
        Which space is meant where a model is bound to several.
    prompts
        Prompt sets of zero-shot models; none means all that are stored.
    study
        What a study names.
    id_dataset
        The in-distribution set of detection metrics; else imagenet-val.
    ood_dataset
        Sets that count as out of distribution; else those whose manifest says so.
    on_failure
        What to do with images that could not be read.
    allow_missing
        Exit 0 although cells are missing; they are still listed.
    allow_partial
        Compute cells from what is here; n and n_total say how much that is.
    out
        A .csv or .parquet file; else CSV on stdout.
    """
    from .table import table_bytes, write_table

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {out}: expected a name that ends in .csv or .parquet.")
    _, scored = _score(options, model, dataset, space, prompts, study, id_dataset, ood_dataset, on_failure, allow_partial)
    if out is not None:
        about = {"missing": [str(cell) for cell in scored.missing], "failed": list(scored.failed), "notes": scored.notes}
        write_table(scored.table, out, about)
        log.info("wrote %d rows to %s", scored.table.height, out)
    elif options.json:
        print_json(scored.table.to_dicts())
    else:
        print_data(table_bytes(scored.table, ".csv").decode())
    return _code(scored, allow_missing)


@app.command
def figure(
    name: Literal["reliability", "metric-dots"],
    *,
    metric: str = "accuracy_top1",
    model: Many = None,
    dataset: Many = None,
    space: Many = None,
    prompts: Many = None,
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    formats: Annotated[str, Parameter(name="--formats")] = "html,svg,png,pdf",
    out: Path = Path("figures"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Draw a figure and write the data behind it.

    Parameters
    ----------
    name
        Which figure.
    metric
        For metric-dots: which column value.
    model
        As in `score`.
    dataset
        As in `score`.
    space
        As in `score`.
    prompts
        As in `score`.
    on_failure
        As in `score`.
    allow_missing
        As in `score`.
    formats
        Any of html, svg, png, pdf.
    out
        The folder to write to.
    """
    from .build_report import named
    from .figure_data import reliability_table
    from .figures import metric_dots, reliability
    from .figures.export import export

    _, scored = _score(options, model, dataset, space, prompts, "", "", None, on_failure, False)
    wanted = tuple(part.strip() for part in formats.split(",") if part.strip())
    if name == "reliability":
        table = reliability_table(scored.measured)
        files = export(lambda medium: reliability.chart(table, medium), table, out, name, wanted,
                       label=reliability.describe(table) if table.height else None)  # fmt: skip
    else:
        table = named(scored.table.filter(scored.table["metric"] == metric))
        files = export(lambda medium: metric_dots.chart(table, metric, medium), table, out, name, wanted,
                       label=metric_dots.describe(table, metric) if table.height else None)  # fmt: skip
    for file in files:
        print_data(str(file))
    return _code(scored, allow_missing)


@app.command
def report(
    *,
    model: Many = None,
    dataset: Many = None,
    space: Many = None,
    prompts: Many = None,
    study: str = "",
    id_dataset: str = "",
    ood_dataset: Many = None,
    on_failure: Policy = "exclude",
    strict: Flag = False,
    out: Path = Path("report"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write a self-contained page of whatever is there, opening with what is missing.

    Parameters
    ----------
    model
        As in `score`.
    dataset
        As in `score`.
    space
        As in `score`.
    prompts
        As in `score`.
    study
        As in `score`.
    id_dataset
        As in `score`.
    ood_dataset
        As in `score`.
    on_failure
        As in `score`; a page leaves unreadable images out and says so.
    strict
        Exit 3 when something asked for is missing.
    out
        The folder to write to: report.html, results.csv and .parquet, and each figure as SVG, PNG, PDF.
    """
    from .build_report import build_report, write_report

    store, scored = _score(options, model, dataset, space, prompts, study, id_dataset, ood_dataset, on_failure, False)
    page = build_report(store, scored, "assay-analyze report")
    for file in write_report(page, scored, out):
        print_data(str(file))
    return _code(scored, not strict)


@app.command
def export(
    *,
    model: Many = None,
    dataset: Many = None,
    space: Many = None,
    prompts: Many = None,
    allow_missing: Flag = False,
    out: Path = Path("predictions.parquet"),
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Write what every model said of every image: truth, five best classes, confidence, margin, status.

    Parameters
    ----------
    model
        As in `score`.
    dataset
        As in `score`.
    space
        As in `score`.
    prompts
        As in `score`.
    allow_missing
        As in `score`.
    out
        A .csv or .parquet file.
    """
    from .figure_data import predictions_table
    from .table import write_table

    if out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {out}: expected a name that ends in .csv or .parquet.")
    store, scored = _score(options, model, dataset, space, prompts, "", "", None, "exclude", False)
    table = predictions_table(store, scored.measured)
    write_table(table, out, {})
    print_data(str(out))
    return _code(scored, allow_missing)


def main() -> None:
    """Run the command line."""
    console.exit_with(lambda: run_app(app))
