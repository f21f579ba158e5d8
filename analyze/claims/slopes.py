"""Slopes: of one group's line against another's, and of an outcome on the logarithm of a fact of models.

Arrays in, an `Estimate` out.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analyze.cluster_bootstrap import family_codes
from analyze.deviations import FEWEST_FAMILIES
from analyze.line_fits import fit_line, line_interval
from analyze.robust_regression import robust_regression

from .estimate import Estimate, Spread, too_few, with_interval

Floats: TypeAlias = NDArray[np.float64]
_OF_SLOPE = np.array([0.0, 1.0])


def slope_contrast(
    first: tuple[Floats, Floats, NDArray[np.str_]], second: tuple[Floats, Floats, NDArray[np.str_]], margin: float = 0.0
) -> Estimate:
    """Slope of one group's Huber line minus that of another's, with their spreads over families.

    Parameters
    ----------
    first, second
        x, y and families of each group, on axes.
    margin
        Of the equivalence test.

    Examples
    --------
    >>> x, names = np.arange(8.0), np.array(list("aabbccdd"))
    >>> wiggle = np.tile([0.1, -0.1], 4)
    >>> more = np.array(list("abcdefgh"))
    >>> found = slope_contrast((x, 2 * x + wiggle, more), (x, x - wiggle, more))
    >>> bool(found.lo < 1 < found.hi), slope_contrast((x, x, names), (x, x, names)).flag
    (True, 'too few families: 4 against 4 of 5')
    """
    lines, spreads, counts, flags = [], [], [], []
    for x, y, families in (first, second):
        line = fit_line(x, y)
        interval = line_interval(line, x, y, families, draws=1)
        lines.append(line)
        counts.append(interval.n_families)
        flags.append(line.flag or interval.flag)
        spreads.append(Spread(variance=float(interval.variance(_OF_SLOPE)), freedom=interval.freedom))
    bare = Estimate(
        effect=lines[0].slope - lines[1].slope,
        n_models=lines[0].n + lines[1].n,
        n_families=sum(counts),
        flag=too_few(counts, FEWEST_FAMILIES) or next((flag for flag in flags if flag), ""),
    )
    return with_interval(bare, spreads, margin)


def amount_slope(
    amount: Floats, y: Floats, families: NDArray[np.str_], x: Floats | None = None, margin: float = 0.0
) -> Estimate:
    """What ten times the amount adds to an outcome, at equal x where given, by Huber's regression.

    Standard error by the jackknife over families.

    Parameters
    ----------
    amount
        Above 0; enters as log10.
    y, x
        Places on axes.

    Examples
    --------
    >>> amount = 10.0 ** np.arange(8)
    >>> wiggle = np.tile([0.01, -0.01], 4)
    >>> found = amount_slope(amount, 0.5 * np.arange(8) + wiggle, np.array(list("abcdefgh")))
    >>> bool(found.lo < 0.5 < found.hi), round(found.effect, 2)
    (True, 0.5)
    """
    columns = [np.ones_like(y), *([] if x is None else [x]), np.log10(amount)]
    design = np.column_stack(columns)
    count = int(family_codes(families).max()) + 1
    flag = too_few([count], FEWEST_FAMILIES)
    if not flag and (len(y) <= len(columns) + 1 or np.linalg.matrix_rank(design) < len(columns)):
        flag = "the amount does not vary, or x tells it"
    if flag:
        return Estimate(effect=np.nan, n_models=len(y), n_families=count, flag=flag)
    coefficient, error, _ = robust_regression(design, y, families)
    bare = Estimate(
        effect=float(coefficient[-1]),
        n_models=len(y),
        n_families=count,
        flag="no spread, or one family alone has other amounts" if np.isnan(error[-1]) else "",
    )
    return with_interval(bare, [Spread(variance=float(error[-1]) ** 2, freedom=count - 1)], margin)
