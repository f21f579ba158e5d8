"""Rank correlations over models, with intervals over families on Fisher's scale.

Arrays in, an `Estimate` out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyze.cluster_bootstrap import family_codes
from analyze.deviations import FEWEST_FAMILIES

from .estimate import Estimate, Spread, too_few, with_interval

Floats: TypeAlias = NDArray[np.float64]


def _spearman(x: Floats, y: Floats) -> float:
    """Correlation of ranks, equal values sharing the mean of theirs; 0 where nothing varies."""
    ranks = []
    for values in (x, y):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(count) - (count + 1) / 2)[place])
    if min(np.ptp(side) for side in ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _fisher(correlation: float, n: int) -> float:
    # The scale has no place for 1: a perfect order stands half as far from it as one swap of neighbours would.
    closest = 1 - 6 / (n**3 - n)
    return float(np.arctanh(np.clip(correlation, -closest, closest)))


def _on_fishers_scale(x: Floats, y: Floats, families: NDArray[np.str_]) -> tuple[Estimate, Spread]:
    code = family_codes(families)
    count = int(code.max()) + 1
    flag = too_few([count], FEWEST_FAMILIES)
    bare = Estimate(effect=_fisher(_spearman(x, y), max(len(x), 3)), n_models=len(x), n_families=count, flag=flag)
    if flag:
        return bare, Spread(variance=np.nan, freedom=1)
    left_out = np.array([_fisher(_spearman(x[code != k], y[code != k]), len(x)) for k in range(count)])
    families_part = (count - 1) / count * float(((left_out - left_out.mean()) ** 2).sum())
    # Where no family moves the ranks the jackknife is blind; the error of as many independent models is the least.
    least = (1 + np.tanh(bare.effect) ** 2 / 2) / max(count - 3, 1)
    return bare, Spread(variance=max(families_part, float(least)), freedom=count - 1)


def rank_correlation(x: Floats, y: Floats, families: NDArray[np.str_]) -> Estimate:
    """Spearman's correlation, its interval from the jackknife over families on Fisher's scale.

    The variance is at least (1 + r^2 / 2) / (F - 3) for F families.

    Notes
    -----
    Bonett and Wright, Sample Size Requirements for Estimating Pearson, Kendall and Spearman Correlations,
    Psychometrika 65, 2000.

    Examples
    --------
    >>> x = np.arange(12.0)
    >>> found = rank_correlation(x, x**3, np.array(list("abcdefghijkl")))
    >>> round(found.effect, 4), bool(found.lo > 0.9)
    (1.0, True)
    """
    bare, spread = _on_fishers_scale(x, y, families)
    found = with_interval(bare, [spread], margin=0.0)
    effect = _spearman(x, y)
    # The scale ends short of 1, so that a perfect correlation would stand outside its own interval.
    lo, hi = (float(np.tanh(end)) for end in (found.lo, found.hi))
    return replace(found, effect=effect, lo=float(np.minimum(lo, effect)), hi=float(np.maximum(hi, effect)))


def correlation_contrast(
    first: tuple[Floats, Floats, NDArray[np.str_]], second: tuple[Floats, Floats, NDArray[np.str_]], margin: float = 0.0
) -> Estimate:
    """Difference of two groups' rank correlations, on Fisher's scale.

    Parameters
    ----------
    first, second
        x, y and families of each group.
    margin
        Of the equivalence test.

    Examples
    --------
    >>> x, names = np.arange(12.0), np.array(list("abcdefghijkl"))
    >>> bool(correlation_contrast((x, x, names), (x, (x * 5) % 12, names)).lo > 0)
    True
    """
    (here, of_here), (there, of_there) = _on_fishers_scale(*first), _on_fishers_scale(*second)
    bare = Estimate(
        effect=here.effect - there.effect,
        n_models=here.n_models + there.n_models,
        n_families=here.n_families + there.n_families,
        flag=too_few([here.n_families, there.n_families], FEWEST_FAMILIES),
    )
    return with_interval(bare, [of_here, of_there], margin)
