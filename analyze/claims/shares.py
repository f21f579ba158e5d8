"""The share of families that improve: the sign test, with Clopper and Pearson's interval.

Arrays in, an `Estimate` out.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from analyze.cluster_bootstrap import family_codes
from analyze.intervals import clopper_pearson

from .estimate import Estimate, too_few
from .means import Sample

FEWEST_SIGNS = 6
"""Below six even equal signs throughout leave one half in the interval: 5 of 5 begins at 0.478."""


def improved_share(sample: Sample) -> Estimate:
    """Share of families whose mean difference is above 0; differences of exactly 0 do not count.

    Examples
    --------
    7 of 7 pairs: the interval begins at 0.025^(1/7) = 0.590.

    >>> sample = Sample(values=np.ones(7), families=np.array(list("abcdefg")), direction=np.zeros((7, 2)))
    >>> found = improved_share(sample)
    >>> found.effect, round(found.lo, 3), found.p
    (1.0, 0.59, 0.015625)
    """
    code = family_codes(sample.families)
    total = np.bincount(code, weights=sample.values)
    up, told = int((total > 0).sum()), int((total != 0).sum())
    n = len(sample.values)
    if too := too_few([told], FEWEST_SIGNS):
        return Estimate(effect=up / told if told else 0.5, n_models=n, n_families=told, flag=too, null=0.5)
    lo, hi = clopper_pearson(up, told)
    tail = float(special.bdtr(min(up, told - up), told, 0.5))
    return Estimate(effect=up / told, lo=lo, hi=hi, p=min(1.0, 2 * tail), n_models=n, n_families=told, null=0.5)
