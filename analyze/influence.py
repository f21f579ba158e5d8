"""What goes along with a deviation: training source, architecture, data size, loss, fine-tuning, prompts, curation.

Three readings of the same models, from the least to the most careful: one factor at a time; all at once in a robust
regression, with how far the factors stand in for each other; pairs that differ in a factor and share the architecture.
None is an experiment: models were trained by different people in other ways than the table knows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from .cluster_bootstrap import FEWEST_FAMILIES
from .deviations import FEWEST_FAMILIES as FEWEST_FOR_MEANS
from .deviations import TOO_FEW_FAMILIES, benjamini_hochberg, group_deviation, holm
from .line_fits import fit_line, line_interval
from .robust_regression import generalised_vif, robust_regression

Floats: TypeAlias = NDArray[np.float64]

UNKNOWN = "unknown"
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One axis of influence: a column of models' facts; `amount` columns enter as log10."""

    id: str
    column: str
    amount: bool = False


FACTORS = (
    Factor(id="source", column="training_source"),
    Factor(id="architecture", column="encoder_family"),
    Factor(id="data-size", column="dataset_size", amount=True),
    Factor(id="loss", column="loss"),
    Factor(id="fine-tuning", column="fine_tuning"),
    Factor(id="prompts", column="prompt_set"),
    Factor(id="curation", column="curation"),
)
"""Six of the conference paper (section 3), and curation of the journal's."""

INFLUENCE: dict[str, pl.DataType] = {
    **dict.fromkeys(("y", "reading", "factor", "level", "against"), pl.String()),
    **dict.fromkeys(("estimate", "lo", "hi", "p", "p_holm", "p_bh"), pl.Float64()),
    **dict.fromkeys(("n", "n_families"), pl.Int64()),
    "vif": pl.Float64(),
    "flag": pl.String(),
}


def influence(models: pl.DataFrame, factors: Sequence[Factor] = FACTORS) -> pl.DataFrame:
    """Relate deviations to factors, for each outcome by itself.

    Parameters
    ----------
    models
        ``y_axis, deviation_probit, family, architecture`` and the columns of the factors; one row a (model, y_axis).
    factors
        Those that do not vary are left out.

    Returns
    -------
    polars frame
        Columns of `INFLUENCE`; ``reading`` is ``one-factor`` (level minus all others; for an amount, slope a tenfold
        increase), ``joint`` (against the level with most models) or ``pairs`` (same architecture). p values are
        adjusted over all rows of one reading.
    """
    rows: list[dict[str, Any]] = []
    for (outcome,), part in models.drop_nulls("deviation_probit").group_by("y_axis", maintain_order=True):
        here = part.sort("model") if "model" in part.columns else part
        varying = [
            factor for factor in factors if factor.column in here.columns and _levels(here, factor).n_unique() > 1
        ]
        found = [row for factor in varying for row in _one_factor(here, factor)]
        found += _joint(here, varying)
        found += [row for factor in varying if factor.id != "architecture" for row in _pairs(here, factor)]
        rows += [{"y": outcome, **row} for row in found]
    table = pl.DataFrame(rows, schema={name: INFLUENCE[name] for name in INFLUENCE if not name.startswith("p_")})
    parts = []
    for reading in ("one-factor", "joint", "pairs"):
        chosen = table.filter(pl.col("reading") == reading)
        p = chosen["p"].to_numpy().astype(np.float64)
        parts.append(chosen.with_columns(p_holm=pl.Series(holm(p)), p_bh=pl.Series(benjamini_hochberg(p))))
    return pl.concat(parts).select(list(INFLUENCE)).with_columns(pl.col(pl.String).fill_null("")).fill_nan(None)


def _levels(models: pl.DataFrame, factor: Factor) -> pl.Series:
    values = models[factor.column]
    return values.drop_nulls() if factor.amount else values.fill_null("").replace("", UNKNOWN)


def _one_factor(models: pl.DataFrame, factor: Factor) -> list[dict[str, Any]]:
    if factor.amount:
        return [_slope(models.drop_nulls(factor.column), factor)]
    level = _levels(models, factor).to_numpy()
    return [_contrast(models, factor, level, one) for one in sorted(set(level) - {UNKNOWN})]


def _slope(models: pl.DataFrame, factor: Factor) -> dict[str, Any]:
    x = np.log10(models[factor.column].to_numpy().astype(np.float64))
    y = models["deviation_probit"].to_numpy()
    line = fit_line(x, y)
    interval = line_interval(line, x, y, models["family"].to_numpy())
    return {
        "reading": "one-factor",
        "factor": factor.id,
        "level": "tenfold",
        "against": "",
        "estimate": line.slope,
        "lo": interval.lo[1],
        "hi": interval.hi[1],
        "p": np.nan,
        "n": line.n,
        "n_families": interval.n_families,
        "flag": line.flag or interval.flag,
    }


def _contrast(models: pl.DataFrame, factor: Factor, level: NDArray[Any], one: str) -> dict[str, Any]:
    """Mean of a level's family means minus that of all other models': Welch's t over families."""
    inside = level == one
    sides = []
    for chosen in (inside, ~inside):
        part = models.filter(pl.Series(chosen))
        sides.append(part.group_by("family").agg(pl.col("deviation_probit").mean())["deviation_probit"].to_numpy())
    here, there = sides
    estimate = float(here.mean() - there.mean())
    row: dict[str, Any] = {
        "reading": "one-factor",
        "factor": factor.id,
        "level": one,
        "against": "all others",
        "estimate": estimate,
        "n": int(inside.sum()),
        "n_families": len(here),
    }
    if min(len(here), len(there)) < FEWEST_FOR_MEANS:
        return row | {"flag": f"{TOO_FEW_FAMILIES}: {len(here)} against {len(there)} of {FEWEST_FOR_MEANS}"}
    parts = [float(np.var(side, ddof=1)) / len(side) for side in sides]
    total = sum(parts)
    df = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    return row | _t(estimate, float(np.sqrt(total)), float(df))


def _t(estimate: float, error: float, df: float) -> dict[str, float]:
    half = float(special.stdtrit(df, 0.5 + LEVEL / 2) * error)
    p = float(2 * special.stdtr(df, -abs(estimate) / error)) if error > 0 else np.nan
    return {"lo": estimate - half, "hi": estimate + half, "p": p}


def _pairs(models: pl.DataFrame, factor: Factor) -> list[dict[str, Any]]:
    """Differences between two levels within architectures that have both, averaged over architectures."""
    if factor.amount or "architecture" not in models.columns:
        return []
    table = models.with_columns(_levels(models, factor).alias("_level")).filter(
        pl.col("_level") != UNKNOWN, pl.col("architecture") != ""
    )
    means = table.group_by("architecture", "_level").agg(pl.col("deviation_probit").mean(), pl.len())
    rows = []
    for one, other in itertools.combinations(sorted(set(means["_level"])), 2):
        both = means.filter(pl.col("_level") == one).join(means.filter(pl.col("_level") == other), on="architecture")
        if not both.height:
            continue
        both = both.sort("architecture")
        difference = (both["deviation_probit"] - both["deviation_probit_right"]).to_numpy()
        found = group_deviation(difference, both["architecture"].to_numpy())
        rows.append(
            {
                "reading": "pairs",
                "factor": factor.id,
                "level": one,
                "against": other,
                "estimate": found.value,
                "lo": found.lo,
                "hi": found.hi,
                "p": found.p,
                "n": int((both["len"] + both["len_right"]).sum()),
                "n_families": both.height,
                "flag": found.flag.replace("families", "architectures with both"),
            }
        )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    factor: Factor
    level: str
    against: str
    values: Floats


def _joint(models: pl.DataFrame, factors: Sequence[Factor]) -> list[dict[str, Any]]:
    for factor in factors:
        if factor.amount:
            models = models.drop_nulls(factor.column)
    columns = [column for factor in factors for column in _columns(models, factor)]
    y = models["deviation_probit"].to_numpy()
    if not columns or len(y) <= len(columns) + 1:
        return []
    kept: list[_Column] = []
    rows: list[dict[str, Any]] = []
    design = np.ones((len(y), 1))
    for column in columns:
        wider = np.column_stack([design, column.values])
        if np.linalg.matrix_rank(wider) == wider.shape[1]:
            design = wider
            kept.append(column)
        else:
            rows.append(_joint_row(column, len(y)) | {"vif": np.inf, "flag": "the factors before it tell it"})
    if len(y) <= len(kept) + 1 or np.ptp(y) == 0:
        return []
    coefficient, error, families = robust_regression(design, y, models["family"].to_numpy())
    inflation = generalised_vif(design[:, 1:], [column.factor.id for column in kept])
    for i, column in enumerate(kept, start=1):
        row = _joint_row(column, len(y)) | {
            "estimate": float(coefficient[i]),
            "vif": inflation[column.factor.id],
            "n_families": families,
        }
        if families < FEWEST_FAMILIES:
            row["flag"] = f"{TOO_FEW_FAMILIES}: {families}"
        elif np.isnan(error[i]):
            row["flag"] = "one family alone has this level"
        else:
            row |= _t(float(coefficient[i]), float(error[i]), families - 1)
        rows.append(row)
    return rows


def _joint_row(column: _Column, n: int) -> dict[str, Any]:
    return {
        "reading": "joint",
        "factor": column.factor.id,
        "level": column.level,
        "against": column.against,
        "n": n,
    }


def _columns(models: pl.DataFrame, factor: Factor) -> list[_Column]:
    if factor.amount:
        values = np.log10(models[factor.column].to_numpy().astype(np.float64))
        return [_Column(factor=factor, level="tenfold", against="", values=values)] if np.ptp(values) > 0 else []
    level = _levels(models, factor)
    counts = level.value_counts().sort(["count", level.name], descending=[True, False])
    most = counts[level.name][0]
    return [
        _Column(factor=factor, level=one, against=most, values=(level == one).to_numpy().astype(np.float64))
        for one in sorted(set(level) - {most})
    ]
