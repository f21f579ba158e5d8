"""`assay-analyze trend`: lines through groups of models, and who leaves them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cache.console import Options, log, print_data, print_json
from manifests.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from analyze.axes import Axis
    from manifests.catalogue import Catalogue

DEFAULT_OPTIONS = Options()
Flag = Annotated[bool, Parameter(negative="")]
Names = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]
THE_STORE = "store"


def trend(
    *,
    x: str,
    y: Annotated[list[str], Parameter(negative="", consume_multiple=False)],
    table: Path | None = None,
    published: Flag = False,
    source: Names = None,
    group: Names = None,
    reference: str = "standard",
    where: Names = None,
    place: str = "",
    line: Literal["huber", "ols", "theil-sen"] = "huber",
    transform: Literal["probit", "logit", "linear"] = "probit",
    cluster: str = "encoder_family",
    errors_in_x: Flag = False,
    allow_missing: Flag = False,
    draws: int = 999,
    seed: int = 0,
    out: Path | None = None,
    deviations: Path | None = None,
    influence: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> int:
    """Fit a line to each group of models on two axes, and measure models and groups from the reference line.

    Parameters
    ----------
    x
        An axis: dataset[:slice[:metric[:protocol]]], e.g. imagenet-val. The metric is accuracy_top1 by default.
    y
        The other axis; repeat for several.
    table
        A results table or any tidy CSV or Parquet (model, dataset, value; group, slice, metric, protocol, n).
    published
        Use the published accuracies that come with this package; no store is needed.
    source
        Of the published: open_clip, timm, imagenet-testbed; else each group from the first that has it.
    group
        Groups to report, e.g. zero-shot-clip; none means all.
    reference
        The group from whose line deviations are measured.
    where
        column=value[,value]: keep rows with this value or none, where several rows of a model fit an axis.
    place
        A tidy file, or the word store: models that are measured from these lines but enter none.
    line
        How lines are fitted.
    transform
        The scale of both axes.
    cluster
        What counts as one family in intervals: encoder_family, architecture, training_source...
    errors_in_x
        Take the sampling noise of x out before a fit.
    allow_missing
        Exit 0 although cells of the store are missing; they are still listed.
    draws
        Draws of the bootstrap.
    seed
        Its seed.
    out
        A .csv or .parquet file for the lines; else CSV on stdout.
    deviations
        A .csv or .parquet file for each model's deviation.
    influence
        A .csv or .parquet file that relates deviations to training source, architecture, data size, loss...
    """
    from analyze.axes import parse_axis
    from analyze.table import json_rows, table_bytes, write_table
    from analyze.tidy_table import read_tidy
    from analyze.trend_table import Fitting, fit_trends
    from manifests.catalogue import load, user_folders

    options.start_logging()
    for name, file in (("--out", out), ("--deviations", deviations), ("--influence", influence)):
        if file is not None and file.suffix not in (".csv", ".parquet"):
            raise UsageError(f"{name} {file}: expected a name that ends in .csv or .parquet.")
    if draws < 1 or seed < 0:
        raise UsageError(f"--draws {draws} --seed {seed}: expected at least 1 draw and a seed of at least 0.")
    if table is not None and published:
        raise UsageError("--table and --published are two sources of rows; give one, and more models with --place.")
    if source and not published:
        raise UsageError("--source chooses among published numbers; it goes with --published.")
    across, up = parse_axis(x), [parse_axis(part) for text in y for part in text.split(",") if part]
    catalogue = load(user_folders(options.manifests, os.environ))
    missing: list[str] = []

    def of_store() -> pl.DataFrame:
        return _of_store(options, catalogue, (across, *up), missing)

    if published:
        rows = _published(source)
    else:
        rows = read_tidy(table) if table is not None else of_store()
    beside = None
    if place:
        beside = _filtered(of_store() if place == THE_STORE else read_tidy(Path(place)), catalogue, where)
    rows = _filtered(rows, catalogue, where)
    clouds = [
        (across, axis, _cloud(rows, beside, (across, axis), group or (), cluster, whole=not published or bool(source)))
        for axis in dict.fromkeys(up)
    ]
    fitting = Fitting(
        line=line, transform=transform, reference=reference, errors_in_x=errors_in_x, draws=draws, seed=seed
    )
    found = fit_trends(clouds, fitting, group or ())
    for note in found.notes:
        log.warning("%s", note)
    if found.deviations.height:
        log.info("deviations are from the %s line of %r (--reference).", line, reference)
    if (deviations or influence) and not found.deviations.height:
        raise UsageError("no deviations to write: " + "; ".join(found.notes))

    about = {"intervals_by": fitting.sentence(cluster), "notes": list(found.notes)}
    if deviations is not None:
        write_table(found.deviations, deviations, about)
        log.info("wrote %d deviations to %s", found.deviations.height, deviations)
    if influence is not None:
        related = _influence(found.deviations, clouds)
        write_table(related, influence, about)
        log.info("wrote %d rows to %s", related.height, influence)
    if out is not None:
        write_table(found.lines, out, about)
        log.info("wrote %d lines to %s", found.lines.height, out)
    elif options.json:
        print_json(json_rows(found.lines))
    else:
        print_data(table_bytes(found.lines, ".csv").decode())
    return 3 if missing and not allow_missing else 0


def _published(source: list[str] | None) -> pl.DataFrame:
    from manifests.published_numbers import SOURCES, read_published, usable
    from manifests.selection import split_patterns

    return usable(read_published(split_patterns(source) if source else SOURCES))


def _of_store(options: Options, catalogue: Catalogue, axes: Sequence[Axis], missing: list[str]) -> pl.DataFrame:
    """Results of a store on the datasets of the axes; what is missing is said, and appended to `missing`."""
    from analyze.asked import Ask
    from analyze.score import raise_failed, score
    from cache.store import Store, store_path

    scored = score(
        Store(store_path(options.store)),
        catalogue,
        Ask(datasets=tuple(dict.fromkeys(axis.dataset for axis in axes))),
        on_failure="error",
        keep_scores=False,
        visit=lambda cell, measured: None,
    )
    for note in (*scored.missing, *scored.notes):
        log.warning("%s", note)
    raise_failed(scored)
    missing += [str(cell) for cell in scored.missing]
    return scored.table


def _filtered(rows: pl.DataFrame, catalogue: Catalogue, where: list[str] | None) -> pl.DataFrame:
    from analyze.axes import keep_where
    from analyze.trend_rows import with_facts

    return keep_where(with_facts(rows, catalogue), where or ())


def _cloud(
    rows: pl.DataFrame,
    beside: pl.DataFrame | None,
    axes: tuple[Axis, Axis],
    groups: Sequence[str],
    cluster: str,
    *,
    whole: bool,
) -> pl.DataFrame:
    """Models on both axes, those to be placed marked; `whole`: groups are taken as they are, whatever their source."""
    import polars as pl

    from analyze.axes import points
    from analyze.trend_rows import check_groups, choose_cluster, one_source_a_group

    cloud = points(rows, *axes, facts=_facts(rows))
    if not whole:
        cloud, note = one_source_a_group(cloud)
        if note:
            log.info("%s: %s (--source).", axes[1], note)
    check_groups(cloud, groups, "--group")
    cloud = choose_cluster(cloud, cluster).with_columns(placed=pl.lit(value=False))
    if beside is None:
        return cloud
    own = choose_cluster(points(beside, *axes, facts=_facts(beside)), cluster)
    return pl.concat([cloud, own.with_columns(placed=pl.lit(value=True))], how="diagonal_relaxed")


def _facts(rows: pl.DataFrame) -> tuple[str, ...]:
    from analyze.trend_rows import FACTS

    return (*FACTS, *(name for name in ("prompt_set",) if name in rows.columns))


def _influence(deviations: pl.DataFrame, clouds: Sequence[tuple[Axis, Axis, pl.DataFrame]]) -> pl.DataFrame:
    import polars as pl

    from analyze.influence import FACTORS, influence

    columns = ("model", "architecture", *(factor.column for factor in FACTORS))
    parts = []
    for _, y, cloud in clouds:
        known = cloud.filter(~pl.col("placed")).select(name for name in columns if name in cloud.columns)
        of_axis = deviations.filter(
            ~pl.col("placed"), pl.col("y_axis") == str(y), pl.col("group") != pl.col("reference")
        )
        parts.append(of_axis.join(known, on="model"))
    return influence(pl.concat(parts, how="diagonal"))
