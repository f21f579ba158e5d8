"""A claim over a table: which models, how far apart they stand, and what that says.

Chooses the estimator and hands it arrays; draws and prints nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analyze.deviations import FEWEST_FAMILIES
from manifests.claim import Claim, Models, Reading

from .correlations import correlation_contrast, rank_correlation
from .estimate import Estimate, Verdict, decide
from .means import Sample, contrast, group_mean
from .measured import Line, change, line_of, sample_of
from .outliers import outlier_mean
from .places import Axes, Points, Source, axes_of, in_pairs
from .selecting import words
from .shares import FEWEST_SIGNS, improved_share
from .slopes import amount_slope, slope_contrast


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A side of a claim that has no model, or too few, on its axes.

    asked : who is meant; None for the named pairs.
    reading : which rows.
    axes : the axes as text.
    n_families : how many there are; 0 if there is no model at all.
    """

    asked: Models
    reading: Reading
    axes: tuple[str, ...]
    n_families: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a table says of a claim."""

    claim: Claim
    verdict: Verdict
    reason: str
    found: Estimate
    models: tuple[str, ...]
    lacks: tuple[Lack, ...]

    @property
    def unit(self) -> str:
        """What the effect is counted in."""
        return unit(self.claim)


def unit(claim: Claim) -> str:
    """Return the unit of a claim's effect."""
    of_outcome = "probit"
    if claim.transform == "linear":
        metrics = {(*axis.split(":"), "", "", "")[2] or "accuracy_top1" for axis in claim.y}
        of_outcome = "nats" if metrics == {"nll"} else "units of " + " and ".join(sorted(metrics))
    match claim.estimator:
        case "improved-share":
            return "share of families"
        case "rank-correlation":
            return "Spearman's rho"
        case "correlation-contrast":
            return "Fisher's z of Spearman's rho"
        case "slope-contrast":
            return f"{of_outcome} a probit"
        case "amount-slope":
            return f"{of_outcome} a tenfold {claim.amount}"
        case _:
            return of_outcome


def judge(claim: Claim, source: Source) -> Answer:
    """Answer a claim.

    Raises
    ------
    UsageError
        Several rows of a model fit one axis.
    """
    sides = _Sides(claim=claim, source=source)
    if claim.estimator in ("paired-difference", "improved-share"):
        found = _paired(claim, sides)
    else:
        found = _across(claim, sides)
    if found is None:
        none = Estimate(effect=np.nan, n_models=len(sides.models()), n_families=0)
        return Answer(
            claim=claim,
            verdict="no data",
            reason="; ".join(dict.fromkeys(sides.reasons)),
            found=none,
            models=(),
            lacks=tuple(sides.lacks),
        )
    verdict, reason = decide(found, claim.direction, claim.threshold)
    return Answer(
        claim=claim,
        verdict=verdict,
        reason=reason,
        found=found,
        models=sides.models(),
        lacks=_thin(sides.used, claim) if "too few" in reason else (),
    )


def _thin(used: Sequence[Lack], claim: Claim) -> tuple[Lack, ...]:
    """Return the sides that have fewer families than an interval takes; all if it is their overlap that is thin."""
    fewest = FEWEST_SIGNS if claim.estimator == "improved-share" else FEWEST_FAMILIES
    return tuple(side for side in used if side.n_families < fewest) or tuple(used)


class _Sides:
    """Reads the sides of a claim, and remembers who was there and who was not."""

    def __init__(self, *, claim: Claim, source: Source) -> None:
        self.claim, self.source = claim, source
        self.axes = axes_of(claim.x, claim.y, claim.minus, claim.transform)
        self.lacks: list[Lack] = []
        self.used: list[Lack] = []
        self.reasons: list[str] = []
        self._models: dict[str, None] = {}

    def models(self) -> tuple[str, ...]:
        return tuple(sorted(self._models))

    def use(self, *parts: Points) -> None:
        self._models |= {model: None for points in parts for model in points.rows["model"]}

    def read(self, who: Models, reading: Reading, axes: Axes | None = None, *, copies: bool = False) -> Points | None:
        """Return the models of a side; None, with the reason kept, if there are none."""
        axes = self.axes if axes is None else axes
        points = self.source.points(axes, who, reading, self.claim.cluster, copies=copies)
        texts = tuple(str(axis) for axis in ((axes.x,) if axes.x else ()) + (*axes.y, *axes.minus))
        lack = Lack(asked=who, reading=reading, axes=texts, n_families=len(set(points.families)))
        if len(points):
            self.used.append(lack)
            return points
        self.lacks.append(lack)
        self.reasons.append(f"no model has all axes: {words(who)}")
        return None


def _across(claim: Claim, sides: _Sides) -> Estimate | None:
    """Estimate what compares groups, or models along an axis."""
    line: Line | None = None
    models = sides.read(claim.models, claim.reading)
    against = sides.read(claim.against, claim.reading) if claim.against is not None else None
    reference = None
    if claim.reference is not None:
        reference = sides.read(claim.reference, claim.minus_reading or claim.reading)
    if models is None or (claim.against is not None and against is None):
        return None
    if claim.reference is not None and reference is None:
        return None
    if reference is not None:
        named = set(models.rows["model"])
        if claim.estimator == "outliers":
            reference = reference.only(np.array([model not in named for model in reference.rows["model"]], bool))
            if len(reference) < 3:
                return Estimate(
                    effect=np.nan, n_models=len(models), n_families=0, flag="too few models beside the named"
                )
        else:
            line = line_of(reference)
    sides.use(models, *(part for part in (against, reference) if part is not None))
    margin = claim.threshold if claim.direction == "zero" else 0.0
    interval = None if line is None else line[1]
    if line is not None and np.isnan(line[0].slope):
        return Estimate(
            effect=np.nan,
            n_models=len(models),
            n_families=0,
            flag=f"too few models for a reference line: {line[0].flag}",
        )
    match claim.estimator:
        case "group-deviation":
            sample = _changed(claim, sides, models, line)
            return None if sample is None else group_mean(sample, interval, margin)
        case "group-contrast":
            assert against is not None  # the manifest's rule
            here, there = _changed(claim, sides, models, line), _changed(claim, sides, against, line, other=True)
            return None if here is None or there is None else contrast(here, there, interval, margin)
        case "rank-correlation":
            return rank_correlation(models.x, models.z, models.families)
        case "correlation-contrast":
            assert against is not None  # the manifest's rule
            return correlation_contrast(
                (models.x, models.z, models.families), (against.x, against.z, against.families), margin
            )
        case "slope-contrast":
            assert against is not None  # the manifest's rule
            return slope_contrast(
                (models.x, models.z, models.families), (against.x, against.z, against.families), margin
            )
        case "amount-slope":
            return _amount(claim, models, margin)
        case _:
            assert reference is not None  # the manifest's rule
            return outlier_mean(models.x, models.z, reference.x, reference.z, reference.families)


def _amount(claim: Claim, models: Points, margin: float) -> Estimate:
    amount = models.rows[claim.amount or ""].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = models.only(amount > 0)
    if not len(known):
        return Estimate(effect=np.nan, n_models=0, n_families=0, flag=f"no model whose {claim.amount} is known")
    x = known.x if claim.x else None
    return amount_slope(amount[amount > 0], known.z, known.families, x, margin)


def _changed(claim: Claim, sides: _Sides, points: Points, line: Line | None, *, other: bool = False) -> Sample | None:
    """Return what is measured of models: their places, or the change between two readings."""
    after = sample_of(points, line)
    if claim.minus_reading is None:
        return after
    who = claim.against if other and claim.against is not None else claim.models
    before = sides.read(who, claim.minus_reading)
    if before is None:
        return None
    first, second = in_pairs(points, before, lambda rows: {model: model for model in rows["model"]})
    if not len(first):
        sides.reasons.append("no model has both readings")
        return None
    return change(sample_of(first, line), sample_of(second, line))


def _paired(claim: Claim, sides: _Sides) -> Estimate | None:
    """Estimate the mean difference, or the share of differences above 0."""
    line: Line | None = None
    if claim.reference is not None:
        reference = sides.read(claim.reference, claim.minus_reading or claim.reading)
        if reference is None:
            return None
        line = line_of(reference)
        sides.use(reference)
    sample = _differences(claim, sides, line)
    if sample is None:
        return None
    if claim.estimator == "improved-share":
        return improved_share(sample)
    margin = claim.threshold if claim.direction == "zero" else 0.0
    return group_mean(sample, None if line is None else line[1], margin)


def _differences(claim: Claim, sides: _Sides, line: Line | None) -> Sample | None:
    if not claim.pairs and not claim.paired_with:
        models = sides.read(claim.models, claim.reading)
        if models is None:
            return None
        sides.use(models)
        return _changed(claim, sides, models, line)
    other = (
        replace(sides.axes, y=axes_of("", claim.against_y, (), claim.transform).y) if claim.against_y else sides.axes
    )
    of: Mapping[str, str] = dict(claim.pairs)
    if of:
        firsts = sides.read(Models(ids=tuple(of)), claim.reading, copies=True)
        seconds = sides.read(Models(ids=tuple(of.values())), claim.reading, other, copies=True)
    else:
        firsts = sides.read(claim.models, claim.reading)
        parents = _parents(firsts.rows["derived_from"].to_list() if firsts is not None else (), sides.source)
        seconds = sides.read(Models(ids=tuple(sorted({*parents.values()}))), claim.reading, other) if parents else None
        if firsts is not None:
            own = zip(firsts.rows["model"], firsts.rows["derived_from"], strict=True)
            of = {model: parents.get(parent, "") for model, parent in own}
            if not parents:
                sides.reasons.append("it is not known what the models were made of (derived_from)")
    if firsts is None or seconds is None:
        return None
    first, second = in_pairs(firsts, seconds, lambda rows: of)
    if not len(first):
        sides.reasons.append("no model whose partner has the axes as well")
        return None
    sides.use(first, second)
    return change(sample_of(first, line), sample_of(second, line))


def _parents(names: Sequence[str], source: Source) -> dict[str, str]:
    """Parent as manifests name it -> the model of the table with the same outputs."""
    if not [name for name in names if name]:
        return {}
    here = source.table.select("model", "duplicate_of").unique()
    original = {model: same or model for model, same in here.iter_rows()}
    stands = {first: model for model, first in sorted(original.items(), reverse=True)}
    stands |= {model: model for model in original if original[model] == model}
    return {name: stands.get(original.get(name, name), name) for name in names if name}
