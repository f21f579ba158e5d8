"""Whether named models leave the line of all others.

Arrays in, an `Estimate` out.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyze.deviations import FEWEST_FAMILIES
from analyze.line_fits import fit_line, line_interval

from .estimate import Estimate, Spread, too_few, with_interval

Floats: TypeAlias = NDArray[np.float64]


def outlier_mean(x: Floats, y: Floats, rest_x: Floats, rest_y: Floats, rest_families: NDArray[np.str_]) -> Estimate:
    """Mean deviation of named models from the line of the rest, against the spread of the rest.

    The named count as one draw, however many they are, since they were named for what they share: the interval is that
    of where one more model of the rest would stand, variance = residual variance + the line's at the mean place. What
    is tested is whether they are like the others.

    Parameters
    ----------
    x, y : (m,) places of the named.
    rest_x, rest_y, rest_families : (n,) of the others.

    Examples
    --------
    The rest within 0.1 of y = x, the named one below.

    >>> x = np.arange(8.0)
    >>> rest = (x, x + np.tile([0.1, -0.1], 4), np.array(list("abcdefgh")))
    >>> found = outlier_mean(np.array([3.5]), np.array([2.5]), *rest)
    >>> round(found.effect, 1), bool(found.hi < 0), bool(outlier_mean(np.array([3.5]), np.array([3.4]), *rest).hi > 0)
    (-1.0, True, True)
    """
    line = fit_line(rest_x, rest_y)
    interval = line_interval(line, rest_x, rest_y, rest_families, draws=1)
    bare = Estimate(
        effect=float((y - line.at(x)).mean()),
        n_models=len(x) + len(rest_x),
        n_families=interval.n_families,
        flag=too_few([interval.n_families], FEWEST_FAMILIES) or line.flag or interval.flag,
    )
    if bare.flag:
        return bare
    # Models of one family stand together: there are as many residuals as families, less two for the line.
    freedom = interval.n_families - 2
    residual = float(((rest_y - line.at(rest_x)) ** 2).mean()) * interval.n_families / freedom
    of_line = float(interval.variance(np.array([1.0, float(x.mean())])))
    spreads = [Spread(variance=residual, freedom=freedom), Spread(variance=of_line, freedom=interval.freedom)]
    return with_interval(bare, spreads, margin=0.0)
