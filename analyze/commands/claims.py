"""`assay-analyze claims`: what a table of results says of the papers' findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cache.console import Options, log, print_data, print_json
from manifests.errors import UsageError

from .selection import (
    DEFAULT_OPTIONS,
    Flag,
    Policy,
    Selection,
    check_suffix,
    exit_code,
    load_catalogue,
    score_selection,
)

if TYPE_CHECKING:
    import polars as pl

Names = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]
Cluster = Literal["", "encoder_family", "architecture", "training_source", "training_dataset", "model"]


def claims(
    *,
    study: str = "",
    table: Path | None = None,
    published: Flag = False,
    source: Names = None,
    claim: Names = None,
    cluster: Cluster = "",
    on_failure: Policy = "error",
    allow_missing: Flag = False,
    out: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Answer the papers' findings: supported, contradicted, undecided or no data, with the evidence.

    Parameters
    ----------
    study
        Only models that this study names; of a store, what it asks for. Its stand-ins play what the claims name.
    table
        A results table, or any tidy CSV or Parquet (model, dataset, value; metric, slice, n, facts of models).
    published
        Use the published accuracies that come with this package; no store is needed.
    source
        Of the published: open_clip, timm, imagenet-testbed; else each group from the first that has it.
    claim
        Claims by id or glob (assay-extract list claims); none means all.
    cluster
        What counts as one family in intervals, instead of what each claim says; encoder_family is the strictest.
    on_failure
        What to do with images of the store that could not be read.
    allow_missing
        Exit 0 although cells of the store are missing; they are still listed.
    out
        A .csv or .parquet file; else CSV on stdout.
    """
    from analyze.claims.answers_table import ABOUT, claim_rows
    from analyze.stand_ins import cast_of
    from analyze.table import json_rows, table_bytes, write_table
    from analyze.tidy_table import read_tidy
    from manifests.selection import select

    options.start_logging()
    check_suffix(out)
    if table is not None and published:
        raise UsageError("--table and --published are two sources of rows; give one.")
    if source and not published:
        raise UsageError("--source chooses among published numbers; it goes with --published.")
    catalogue = load_catalogue(options)
    if study and study not in catalogue.studies:
        raise UsageError(f"no study {study!r}; the manifests have {', '.join(catalogue.studies) or 'none'}.")
    asked = select(catalogue.claims, claim, "claims") if claim else tuple(catalogue.claims.values())
    code = 0
    if published:
        rows = _published(source)
    elif table is not None:
        rows = read_tidy(table)
    else:
        rows, code = _of_store(options, study, on_failure, allow_missing)
    chosen = catalogue.studies[study] if study else None
    found = claim_rows(rows, catalogue, asked, study=chosen, cluster=cluster or None)
    who = cast_of(chosen).sentence()
    if who:
        log.warning("%s", who)
    counts = dict(found["answer"].value_counts().iter_rows())
    log.info("%d claims: %s", found.height, ", ".join(f"{counts[name]} {name}" for name in sorted(counts)))
    if out is not None:
        write_table(found, out, {"intervals_by": ABOUT, **({"stand_ins": who} if who else {})})
        log.info("wrote %d rows to %s", found.height, out)
    elif options.json:
        print_json(json_rows(found))
    else:
        print_data(table_bytes(found, ".csv").decode())
    return code


def _published(source: list[str] | None) -> pl.DataFrame:
    from manifests.published_numbers import SOURCES, read_published, usable
    from manifests.selection import split_patterns

    return usable(read_published(split_patterns(source) if source else SOURCES))


def _of_store(options: Options, study: str, on_failure: Policy, allow_missing: bool) -> tuple[pl.DataFrame, int]:
    """Results of a store and the exit code; what is missing is said on the way."""
    scored = score_selection(options, Selection(study=study), on_failure)
    return scored.table, exit_code(scored, allow_missing)
