"""Which rows of a results table stand for a model where a figure or a claim wants one number.

A model has rows under several protocols, prompt sets, detectors and readings; one of each is the default, and it is
chosen here and nowhere else. Knows columns, no metric.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from manifests.schema import Dataset

from .applicable import default_rows

PROMPT_SET = "openai-80"
"""What zero-shot models are read with unless a figure is about prompts."""

DEFAULT_DETECTOR = "default"
"""Maximum concept matching for models with a text head, maximum softmax probability for all others."""


def headline_rows(
    table: pl.DataFrame,
    datasets: Mapping[str, Dataset],
    *,
    prompt_set: str = PROMPT_SET,
    detector: str = DEFAULT_DETECTOR,
    calibration: str = "raw",
) -> pl.DataFrame:
    """Return one row for each model, dataset, slice and metric.

    Parameters
    ----------
    table
        Results.
    datasets
        Manifests of datasets, whose first protocol is the default.
    prompt_set
        For zero-shot models that have rows of it; the others keep theirs if they have but one.
    detector
        A detector, or ``default``.
    calibration
        ``raw``, ``ts``...; metrics of the temperature itself stay.

    Returns
    -------
    polars frame
        Rows without ``variant``, under each dataset's default protocol.
    """
    own = pl.col("prompt_set").is_in([prompt_set, ""])
    only = pl.col("prompt_set").n_unique().over("model", "dataset") == 1
    usual = pl.when(pl.col("prompt_set") != "").then(pl.lit("mcm")).otherwise(pl.lit("msp"))
    wanted = usual if detector == DEFAULT_DETECTOR else pl.lit(detector)
    kept = table.filter(
        own | only,
        (pl.col("detector") == "") | (pl.col("detector") == wanted),
        (pl.col("calibration") == calibration) | (pl.col("metric") == "temperature"),
        pl.col("variant") == "",
    )
    labelled = kept.filter(pl.col("detector") == "")
    detected = kept.filter(pl.col("detector") != "")
    # A detection protocol is the in-distribution set's; the default is that of all columns, the first by name.
    plain = pl.col("protocol") == pl.col("protocol").sort_by(~pl.col("protocol").str.ends_with("-way")).first().over(
        "model", "dataset"
    )
    return pl.concat([default_rows(labelled, datasets), detected.filter(plain)])
