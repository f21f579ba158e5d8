"""Where models stand on the axes of a claim: one number a model for x, and one for the outcome.

Between a table of results and the estimators. Which of a model's rows count is `headline`'s business and the reading's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analyze.axes import Axis, axis_rows, parse_axis
from analyze.headline import DEFAULT_DETECTOR, PROMPT_SET, headline_rows
from analyze.scales import Transform, place
from analyze.trend_rows import equal_models_once, one_source_a_group
from manifests.claim import Cluster, Models, Reading
from manifests.schema import Dataset

from .selecting import chosen, families

Floats: TypeAlias = NDArray[np.float64]
INSIDE = "imagenet-val"
"""The in-distribution set of detection that claims are about."""

FACTS = (
    *("model", "source", "group", "architecture", "encoder_family", "training_source", "training_dataset"),
    *("dataset_size", "parameters_m", "resolution", "duplicate_of", "derived_from"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Models on the axes of a claim.

    rows : facts of each model, and ``family``.
    x : (n,) in probits; zeros without an x axis.
    z : (n,) outcome on its scale.
    """

    rows: pl.DataFrame
    x: Floats
    z: Floats

    def __len__(self) -> int:
        """Return the number of models."""
        return self.rows.height

    @property
    def families(self) -> NDArray[np.str_]:
        """What each model counts as."""
        return self.rows["family"].to_numpy().astype(np.str_)

    def only(self, keep: NDArray[np.bool_]) -> Points:
        """Return some of the models."""
        return Points(rows=self.rows.filter(pl.Series(keep, dtype=pl.Boolean)), x=self.x[keep], z=self.z[keep])


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What is read of each model: x (None for none), and the mean of y minus that of minus."""

    x: Axis | None
    y: Sequence[Axis]
    minus: Sequence[Axis]
    transform: Transform


@dataclass(slots=True, kw_only=True)
class Source:
    """A table of results that claims are read from.

    Attributes
    ----------
    table
        As `selecting.with_claim_facts` returns it.
    datasets
        Manifests of datasets.
    """

    table: pl.DataFrame
    datasets: Mapping[str, Dataset]
    _views: dict[tuple[Reading, str], pl.DataFrame] = field(default_factory=dict)

    def rows(self, axis: Axis, reading: Reading) -> pl.DataFrame:
        """Return the rows on an axis under a reading, one a model and source; none is an empty frame.

        Raises
        ------
        UsageError
            Several rows of one model fit: they are listed.
        """
        view = self._view(reading, axis.protocol)
        found = view.filter(
            pl.col("dataset") == axis.dataset, pl.col("slice") == axis.slice, pl.col("metric") == axis.metric
        )
        if found.select("model", "source").is_duplicated().any():
            # The same model from two sources is no ambiguity; two rows of one are, and these are listed.
            for (_,), part in found.group_by("source", maintain_order=True):
                axis_rows(part, axis, f"axis {axis}")
        return found

    def _view(self, reading: Reading, protocol: str) -> pl.DataFrame:
        key = (reading, protocol)
        if key not in self._views:
            table = self.table.filter(pl.col("id_dataset").is_in(["", INSIDE]))
            if protocol:
                table = table.filter(pl.col("protocol") == protocol)
            if reading.prompt_set:
                # A model that has other prompts alone is no model with these.
                table = table.filter(pl.col("prompt_set") == reading.prompt_set)
            if reading.variant:
                table = table.filter(pl.col("variant") == reading.variant).with_columns(variant=pl.lit(""))
            self._views[key] = headline_rows(
                table,
                self.datasets,
                prompt_set=reading.prompt_set or PROMPT_SET,
                detector=reading.detector or DEFAULT_DETECTOR,
                calibration=reading.calibration or "raw",
            )
        return self._views[key]

    def points(self, axes: Axes, who: Models, reading: Reading, cluster: Cluster, *, copies: bool = False) -> Points:
        """Return the models that are meant and stand on all axes.

        Rates of 0 and 1 of which nobody says how many images are behind them have no place on a probit axis: such
        models are left out.

        Parameters
        ----------
        copies
            Whether models with equal outputs all stay; else one of each.
        """
        frame: pl.DataFrame | None = None
        named: list[tuple[str, Axis, Reading, Transform]] = []
        if axes.x is not None:
            named.append(("x", axes.x, Reading(prompt_set=reading.prompt_set), "probit"))
        for sign, part in (("y", axes.y), ("m", axes.minus)):
            named += [(f"{sign}{i}", axis, reading, axes.transform) for i, axis in enumerate(part)]
        for name, axis, which, transform in named:
            column = self._column(axis, which, who, transform, name)
            if frame is None:
                frame = column
            else:
                frame = frame.join(column.select("model", "source", name), on=["model", "source"])
        assert frame is not None  # a claim has an axis at least
        frame, _ = one_source_a_group(frame)
        if not copies:
            frame, _ = equal_models_once(frame)
        frame = frame.sort("model").with_columns(family=families(frame.sort("model"), cluster))
        z = frame.select(f"y{i}" for i in range(len(axes.y))).to_numpy().astype(np.float64)
        outcome = z.mean(axis=1)
        if axes.minus:
            taken = frame.select(f"m{i}" for i in range(len(axes.minus))).to_numpy().astype(np.float64)
            outcome = outcome - taken.mean(axis=1)
        x = frame["x"].to_numpy().astype(np.float64) if axes.x is not None else np.zeros(len(outcome))
        return Points(rows=frame.select(*FACTS, "family"), x=x, z=outcome)

    def _column(self, axis: Axis, reading: Reading, who: Models, transform: Transform, name: str) -> pl.DataFrame:
        found = chosen(self.rows(axis, reading), who).filter(pl.col("value").is_finite())
        value, n = found["value"], found["n"].cast(pl.Float64).fill_null(np.nan)
        if transform != "linear":
            placed = ((value > 0) & (value < 1)) | ((value >= 0) & (value <= 1) & n.is_not_nan())
            found, value, n = found.filter(placed), value.filter(placed), n.filter(placed)
        z = place(value.to_numpy(), n.to_numpy(), transform).z
        return found.select(*FACTS).with_columns(pl.Series(name, z, dtype=pl.Float64))


def in_pairs(
    points: Points, partner: Points, pairs: Callable[[pl.DataFrame], Mapping[str, str]]
) -> tuple[Points, Points]:
    """Return the models whose partner is there, and their partners in the same order.

    Parameters
    ----------
    points, partner
        Firsts and seconds to choose from.
    pairs
        Rows of firsts -> id of each first's second.
    """
    of = pairs(points.rows)
    at = {model: i for i, model in enumerate(partner.rows["model"])}
    seconds = [at.get(of.get(model, ""), -1) for model in points.rows["model"]]
    keep = np.array([second >= 0 for second in seconds], bool)
    order = np.array([second for second in seconds if second >= 0], np.intp)
    rows = partner.rows[order.tolist()] if len(order) else partner.rows.clear()
    return points.only(keep), Points(rows=rows, x=partner.x[order], z=partner.z[order])


def axes_of(x: str, y: Sequence[str], minus: Sequence[str], transform: Transform) -> Axes:
    """Read the axes of a claim."""
    return Axes(
        x=parse_axis(x) if x else None,
        y=tuple(map(parse_axis, y)),
        minus=tuple(map(parse_axis, minus)),
        transform=transform,
    )
