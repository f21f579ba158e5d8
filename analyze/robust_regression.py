"""Huber's regression on several columns, standard errors over families, and how far columns stand in for each other.

Arrays in, arrays out; knows no factor and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .cluster_bootstrap import family_codes
from .trend import TUNING

Floats: TypeAlias = NDArray[np.float64]


def robust_regression(design: Floats, y: Floats, families: NDArray[Any]) -> tuple[Floats, Floats, int]:
    """Huber's regression on several columns, with standard errors by the jackknife over families.

    Parameters
    ----------
    design : float (n, k)
        Of full rank, a column of ones among it.
    y : float (n,)
    families : (n,)

    Returns
    -------
    coefficient, error : float (k,)
        As statsmodels `RLM`; the error is NaN for a column that one family alone tells.
    n_families : int

    Examples
    --------
    >>> design = np.column_stack([np.ones(4), [-3.0, -1, 1, 3]])
    >>> found = robust_regression(design, np.array([-2.9, -1.1, 1.1, 2.9]), np.array(list("abcd")))
    >>> found[0].round(9).tolist()
    [0.0, 0.98]
    """
    import statsmodels.api as sm

    fit = sm.RLM(y, design, M=sm.robust.norms.HuberT(TUNING)).fit() if np.ptp(y) > 0 else None
    code = family_codes(families)
    count = int(code.max()) + 1
    if fit is None or not fit.scale > 0:
        return (
            np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], np.float64),
            np.full(design.shape[1], np.nan),
            count,
        )
    residual, knee = y - design @ fit.params, TUNING * fit.scale
    pseudo = np.clip(residual, -knee, knee) / (np.abs(residual) <= knee).mean()
    whole = design.T @ design
    shift = np.zeros((count, design.shape[1]))
    told = np.zeros(design.shape[1], bool)
    for k in range(count):
        own = design[code == k]
        rest = whole - own.T @ own
        # Directions that only this family tells have no scatter to judge them by.
        values, vectors = np.linalg.eigh(rest)
        flat = values <= 1e-10 * values.max()
        told |= (np.abs(vectors[:, flat]) > 1e-6).any(axis=1)
        shift[k] = np.linalg.pinv(rest, rcond=1e-10) @ (own.T @ pseudo[code == k])
    error = np.sqrt((count - 1) / count * (shift**2).sum(axis=0))
    return np.asarray(fit.params, np.float64), np.asarray(np.where(told, np.nan, error), np.float64), count


def generalised_vif(columns: Floats, names: Sequence[str]) -> dict[str, float]:
    """How much wider each factor's interval is for the others being there: GVIF^(1 / (2 df)), squared.

    det R_own det R_others / det R, R the correlations of the columns; 1 for factors that have nothing in common; for a
    factor of one column the ordinary variance inflation factor.

    Parameters
    ----------
    columns : float (n, k)
        Without the constant.
    names : k names
        Of the factor behind each column.

    Notes
    -----
    Fox and Monette, Generalized Collinearity Diagnostics, JASA 87, 1992.

    Examples
    --------
    Two columns of correlation 0.6: 1 / (1 - 0.36).

    >>> x, z = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
    >>> found = generalised_vif(np.column_stack([x, 0.6 * x + 0.8 * z]), ["a", "b"])
    >>> round(found["a"], 4), round(found["b"], 4)
    (1.5625, 1.5625)
    """
    correlation = np.atleast_2d(np.corrcoef(columns, rowvar=False))
    factor = np.asarray(names)
    found = {}
    for name in dict.fromkeys(names):
        own = factor == name
        logs = [np.linalg.slogdet(correlation[np.ix_(part, part)])[1] for part in (own, ~own, own | ~own)]
        found[name] = float(np.exp((logs[0] + logs[1] - logs[2]) / own.sum()))
    return found
