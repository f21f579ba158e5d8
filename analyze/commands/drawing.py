"""What `figure` and `table` have in common: where results come from, and how a named figure becomes files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from cache.console import Options, log, print_data
from cache.errors import IncompleteError
from manifests.errors import UsageError

from .selection import Policy, Selection, exit_code, load_catalogue, score_selection

if TYPE_CHECKING:
    import polars as pl

    from analyze.build_report import Seen
    from analyze.cell import Cell
    from analyze.figures.export import ChartForMedium, Words
    from analyze.measure import Measured
    from analyze.named.material import Drawn
    from analyze.report.tables import HtmlTable
    from analyze.score import Scored
    from analyze.stand_ins import Cast
    from cache.store import Store
    from manifests.catalogue import Catalogue
    from manifests.study import Study


def file_name(name: str) -> str:
    """Return the file name of a figure, without its ending.

    Examples
    --------
    >>> file_name("holistic/fig-1")
    'holistic-fig-1'
    """
    return name.replace("/", "-")


def named_module(name: str) -> ModuleType:
    """Return the module of a name.

    Raises
    ------
    UsageError
        For a name that there is not; the nearest ones and all others are listed.
    """
    from analyze.named import BY_NAME

    if name in BY_NAME:
        return BY_NAME[name]
    near = difflib.get_close_matches(name, BY_NAME, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"no figure or table {name!r}.{meant} There are {', '.join(BY_NAME)}.")


def chosen_formats(text: str) -> tuple[str, ...]:
    """Return the formats of a comma-separated list.

    Examples
    --------
    >>> chosen_formats("html, svg")
    ('html', 'svg')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def study_named(catalogue: Catalogue, study: str, name: str) -> Study | None:
    """Return the study that was asked for, else the one that a name begins with; None for neither."""
    if study:
        if study not in catalogue.studies:
            raise UsageError(f"no study {study!r}; the manifests have {', '.join(catalogue.studies) or 'none'}.")
        return catalogue.studies[study]
    return catalogue.studies.get(name.partition("/")[0])


def given_results(table: Path | None, published: bool, options: Options) -> pl.DataFrame | None:
    """Return results from a file or the published ones; None where a store has to be scored.

    Raises
    ------
    UsageError
        When both are given.
    """
    from analyze.tidy_table import read_tidy
    from manifests.published_numbers import read_published, usable

    if table is not None and published:
        raise UsageError("--table and --published are two sources of results; give one.")
    if table is None and not published:
        return None
    options.start_logging()
    return with_keys(usable(read_published()) if table is None else read_tidy(table))


def with_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """Fill the columns of a results table that a tidy table may lack.

    Examples
    --------
    >>> import polars as pl
    >>> rows = with_keys(pl.DataFrame({"model": ["a"], "dataset": ["sun"], "metric": ["auroc"], "value": [0.5]}))
    >>> rows.select("slice", "calibration", "detector", "lo").row(0)
    ('all', 'raw', '', None)
    """
    import polars as pl

    from analyze.table import SCHEMA

    usual = {"slice": "all", "calibration": "raw"}
    for name, kind in SCHEMA.items():
        words = kind == pl.String
        blank = pl.lit(usual.get(name, "") if words else None, kind)
        if name not in rows.columns:
            rows = rows.with_columns(blank.alias(name))
        elif words:
            own = pl.col(name).cast(pl.String)
            rows = rows.with_columns(pl.when(own.fill_null("") == "").then(blank).otherwise(own).alias(name))
        else:
            rows = rows.with_columns(pl.col(name).cast(kind))
    return rows


def draw_named(
    module: ModuleType,
    *,
    selection: Selection,
    table: Path | None,
    published: bool,
    on_failure: Policy,
    allow_missing: bool,
    out: Path,
    formats: str,
    options: Options,
) -> int:
    """Make a figure or table of given results, else of a scored store, write it and return the exit code."""
    from analyze.stand_ins import cast_of

    given = given_results(table, published, options)
    wanted = chosen_formats(formats)
    catalogue = load_catalogue(options)
    study = study_named(catalogue, selection.study, module.ID)
    if given is not None:
        write_drawn(module, _drawn(module, given, catalogue, study, None, None), out, wanted, cast_of(study))
        return 0
    seen, visitor = watching(module.ID == "reliability")
    scored = score_selection(options, selection, on_failure, visitor=visitor)
    bins = seen[0].bins() if seen else None
    drawn = _drawn(module, scored.table, catalogue, study, bins, options)
    if drawn.chart is None and drawn.html is None:
        raise nothing_to_draw(scored, f"{module.ID} ({drawn.label})")
    write_drawn(module, drawn, out, wanted, cast_of(study))
    return exit_code(scored, allow_missing)


def watching(wanted: bool) -> tuple[list[Seen], Callable[[Store], Callable[[Cell, Measured], None]] | None]:
    """Return where per-image numbers will be kept, and what puts them there; nothing where they are not wanted."""
    seen: list[Seen] = []

    def visitor(store: Store) -> Callable[[Cell, Measured], None]:
        from analyze.build_report import Seen

        seen.append(Seen(store))
        return seen[0].see

    return seen, visitor if wanted else None


def nothing_to_draw(scored: Scored, what: str) -> IncompleteError:
    """Return the error of a figure without data.

    Raises
    ------
    FailedItemsError
        When images without numbers are the reason.
    """
    from analyze.score import raise_failed

    raise_failed(scored)
    here = ", ".join(sorted(set(scored.table["metric"]))) or "no metric at all"
    why = "what is missing stands above" if scored.missing else "it needs labelled images, or sets out of distribution"
    return IncompleteError(f"nothing to draw for {what}: the cells that are here give {here}; {why}.")


def write_drawn(module: ModuleType, drawn: Drawn, out: Path, formats: Sequence[str], cast: Cast | None = None) -> None:
    """Write a named figure or table; what it misses goes to the log.

    Parameters
    ----------
    cast
        Who plays the parts that it names, which its caption says.

    Raises
    ------
    IncompleteError
        When there is nothing to show.
    UsageError
        When the folder cannot be written to, or a format is unknown.
    """
    from analyze.figures import cell_table
    from analyze.figures.export import Words
    from analyze.named import showing
    from analyze.stand_ins import NOBODY

    missing = tuple(f"{what}: {why}" for what, why in drawn.missing)
    for line in missing:
        log.warning("%s: %s", module.ID, line)
    html, chart = drawn.html, drawn.chart
    if html is not None:
        chart = partial(cell_table.chart, html)
    if chart is None:
        raise IncompleteError(f"nothing to draw for {module.ID}: {drawn.label} {' '.join(missing)}")
    words = Words(
        title=f"{module.TITLE} ({module.ID})", caption=showing.caption(module, cast or NOBODY), missing=missing
    )
    write_figure(chart, drawn.table, out, file_name(module.ID), formats, drawn.label, words, html)


def write_figure(
    chart: ChartForMedium,
    table: pl.DataFrame,
    out: Path,
    name: str,
    formats: Sequence[str],
    label: str,
    words: Words | None = None,
    html: HtmlTable | None = None,
) -> None:
    """Write a figure with its data and print the names of the files.

    Raises
    ------
    UsageError
        When the folder cannot be written to, or a format is unknown.
    """
    from analyze.figures.export import export

    try:
        files = export(chart, table, out, name, formats, label=label, words=words, html=html)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written ({error.strerror or error}).") from error
    for file in files:
        print_data(str(file))


def _drawn(
    module: ModuleType,
    results: pl.DataFrame,
    catalogue: Catalogue,
    study: Study | None,
    bins: pl.DataFrame | None,
    store: Options | None,
) -> Drawn:
    import polars as pl

    from analyze.figure_data import RELIABILITY
    from analyze.named import showing
    from analyze.named.material import material_of
    from analyze.table import finite

    bins = pl.DataFrame(schema=RELIABILITY) if bins is None else bins
    # Looked up only where it is shown: it reads every view of the store.
    shared = _overlaps(store) if store is not None and module.ID == "leakage" else None
    return showing.draw(module, material_of(finite(results), catalogue, bins, study=study, overlaps=shared))


def _overlaps(options: Options) -> pl.DataFrame:
    import polars as pl

    from analyze.named.material import OVERLAPS
    from cache.overlaps import overlaps
    from cache.store import Store, store_path

    rows = overlaps(Store(store_path(options.store)))
    return pl.DataFrame([{name: row[name] for name in OVERLAPS} for row in rows], schema=OVERLAPS)
