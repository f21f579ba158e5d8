"""Means over families of models: of one group, of one group against another, of differences within pairs.

Arrays in, an `Estimate` out. A family counts once, however many models it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyze.cluster_bootstrap import family_codes
from analyze.deviations import FEWEST_FAMILIES
from analyze.line_fits import LineInterval

from .estimate import Estimate, Spread, too_few, with_interval

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number a model.

    values : (n,)
    families : (n,) names.
    direction : (n, 2) derivative of each value by (intercept, slope) of the line that it is measured from; 0 without.
    """

    values: Floats
    families: NDArray[np.str_]
    direction: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    value: float
    variance: float
    families: int
    direction: Floats


def _mean(sample: Sample) -> _Mean:
    code = family_codes(sample.families)
    size = np.bincount(code)
    means = np.bincount(code, weights=sample.values) / size
    direction = np.stack([np.bincount(code, weights=part) / size for part in sample.direction.T], axis=-1).mean(axis=0)
    count = len(means)
    variance = float(means.var(ddof=1)) / count if count > 1 else np.nan
    return _Mean(value=float(means.mean()), variance=variance, families=count, direction=direction)


def _of_line(direction: Floats, line: LineInterval | None) -> list[Spread]:
    if line is None or not direction.any():
        return []
    return [Spread(variance=float(line.variance(direction)), freedom=line.freedom)]


def _line_flag(line: LineInterval | None) -> str:
    return f"reference line: {line.flag}" if line is not None and line.flag else ""


def group_mean(sample: Sample, line: LineInterval | None = None, margin: float = 0.0) -> Estimate:
    """Mean of a group: Student's t on family means, plus the reference line's own uncertainty.

    The same as `deviations.group_deviation`, with the equivalence test beside.

    Examples
    --------
    Families at 1, 2, 3, 4, 5, one twice: mean 3, half-width 1.963.

    >>> values, names = np.array([1.0, 1, 2, 3, 4, 5]), np.array(list("aabcde"))
    >>> sample = Sample(values=values, families=names, direction=np.zeros((6, 2)))
    >>> found = group_mean(sample)
    >>> found.effect, round(found.lo, 3), found.n_families
    (3.0, 1.037, 5)
    """
    mean = _mean(sample)
    bare = Estimate(
        effect=mean.value,
        n_models=len(sample.values),
        n_families=mean.families,
        flag=too_few([mean.families], FEWEST_FAMILIES) or _line_flag(line),
    )
    own = Spread(variance=mean.variance, freedom=mean.families - 1)
    return with_interval(bare, [own, *_of_line(mean.direction, line)], margin)


def contrast(first: Sample, second: Sample, line: LineInterval | None = None, margin: float = 0.0) -> Estimate:
    """Mean of one group minus that of another, after Welch, over families.

    Both may be measured from one line: what its uncertainty moves in both alike cancels.

    Notes
    -----
    Welch, The Generalization of Student's Problem when Several Different Population Variances are Involved,
    Biometrika 34, 1947. Families that are on both sides are taken as independent, which errs to the wide side.

    Examples
    --------
    >>> zeros = np.zeros((5, 2))
    >>> up = Sample(values=np.array([1.0, 2, 3, 4, 5]), families=np.array(list("abcde")), direction=zeros)
    >>> down = Sample(values=np.array([0.0, 1, 2, 3, 4]), families=np.array(list("abcde")), direction=zeros)
    >>> found = contrast(up, down)
    >>> found.effect, round(found.hi - found.effect, 3)  # t(0.975, 8) = 2.306, error 1
    (1.0, 2.306)
    """
    here, there = _mean(first), _mean(second)
    bare = Estimate(
        effect=here.value - there.value,
        n_models=len(first.values) + len(second.values),
        n_families=here.families + there.families,
        flag=too_few([here.families, there.families], FEWEST_FAMILIES) or _line_flag(line),
    )
    own = [Spread(variance=side.variance, freedom=side.families - 1) for side in (here, there)]
    return with_interval(bare, [*own, *_of_line(here.direction - there.direction, line)], margin)
