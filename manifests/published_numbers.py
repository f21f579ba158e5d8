"""Published accuracies: the tables of `manifests/published/`, with the facts of each model, as one results table.

Every file is compared with the sha256 of its sidecar before it is believed. Knows no fit and no store.
"""

from __future__ import annotations

import hashlib
import io
import tomllib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from .errors import AssayError, UsageError

PUBLISHED = Path(__file__).parent / "published"
SIDECAR = "published.toml"

SOURCES = ("open_clip", "timm", "imagenet-testbed")
"""In order of precedence: where two sources have one group of models, the first is taken (see `analyze.trend_rows`)."""

MODEL_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("model", "source", "source_model", "group", "group_basis", "architecture"), pl.String()),
    **dict.fromkeys(("encoder_family", "training_source", "training_dataset"), pl.String()),
    "dataset_size": pl.Int64(),
    "samples_seen": pl.Int64(),
    **dict.fromkeys(("loss", "curation", "fine_tuning", "duplicate_of", "problem"), pl.String()),
    "resolution": pl.Int64(),
    "params_m": pl.Float64(),
    "default_size": pl.Boolean(),
    "toy": pl.Boolean(),
}
ROW_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("dataset", "slice", "protocol", "metric"), pl.String()),
    "value": pl.Float64(),
    "n": pl.Int64(),
    **dict.fromkeys(("source_dataset", "source_metric", "source_file"), pl.String()),
}
SCHEMA: dict[str, pl.DataType] = {**MODEL_COLUMNS, **ROW_COLUMNS}


class PublishedError(AssayError):
    """A table of published numbers is not the one that was committed."""

    exit_code = 4


def read_published(sources: Sequence[str] = SOURCES, folder: Path = PUBLISHED) -> pl.DataFrame:
    """Read published numbers of some sources.

    Parameters
    ----------
    sources
        Any of `SOURCES`.
    folder
        Holds ``<source>.parquet`` and the sidecar with their digests.

    Returns
    -------
    polars frame
        Columns of `SCHEMA`: one row a (model, input size, dataset, slice, protocol, metric). All rows as published,
        bad ones with the reason in ``problem``; `usable` leaves those out.

    Raises
    ------
    UsageError
        For a source that is not there.
    PublishedError
        For a file that is missing or differs from its digest.

    Examples
    --------
    >>> table = read_published(["open_clip"])
    >>> rows = table.filter(pl.col("model") == "ViT-B-32.laion2b_s34b_b79k", pl.col("dataset") == "imagenet-val")
    >>> rows["value"].item()
    0.6656
    """
    if unknown := [source for source in sources if source not in SOURCES]:
        raise UsageError(f"no published source {', '.join(unknown)}; there are {', '.join(SOURCES)}.")
    try:
        listed = tomllib.loads((folder / SIDECAR).read_text("utf-8"))["files"]
        frames = []
        for source in sources:
            data = (folder / f"{source}.parquet").read_bytes()
            if hashlib.sha256(data).hexdigest() != listed[source]["sha256"]:
                raise PublishedError(
                    f"{source}.parquet of the published numbers differs from the sha256 in {SIDECAR}; "
                    "install clip-assay again."
                )
            frames.append(pl.read_parquet(io.BytesIO(data)).cast(SCHEMA))  # type: ignore[arg-type]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise PublishedError(f"published numbers cannot be read ({error}); install clip-assay again.") from error
    return pl.concat(frames)


def usable(table: pl.DataFrame) -> pl.DataFrame:
    """Leave out what no fit may use: rows with a problem, toys, input sizes other than a model's own.

    Duplicates stay: they are counted, and then left out, by the fit itself.
    """
    return table.filter((pl.col("problem") == "") & ~pl.col("toy") & pl.col("default_size"))
