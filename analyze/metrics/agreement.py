"""Do two deciders err on the same images? Agreement beyond what their accuracies alone would give.

Knows right and wrong answers as arrays; no model, no observer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import open_fraction
from analyze.intervals import clopper_pearson
from analyze.resampling import Interval, percentiles

from .factors import Flags, outcomes


@dataclass(frozen=True, slots=True)
class Consistency:
    """Error consistency of two deciders.

    value
        Cohen's kappa in [-1, 1], or NaN where it is undefined; `reason` then says why, and is empty otherwise.
    observed, expected
        Share of images that both have right or both have wrong; and what it would be by chance.
    """

    value: float
    observed: float
    expected: float
    reason: str = ""


def error_consistency(first: ArrayLike, second: ArrayLike) -> Consistency:
    """Cohen's kappa of right and wrong answers: (observed - expected) / (1 - expected).

    observed = share of images on which both are right or both wrong; expected = p q + (1 - p)(1 - q) for accuracies p
    and q: two deciders that err independently have kappa 0, two that err on the same images 1.

    Parameters
    ----------
    first, second : bool (n,)
        Whether each decider is right on image i.

    Returns
    -------
    Consistency
        NaN with a reason where both are always right, or both always wrong: agreement is then 1 by chance alone.

    Raises
    ------
    ValueError
        No answers, unequal shapes, other values.

    Notes
    -----
    Geirhos, Meding and Wichmann, Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans by measuring
    error consistency, NeurIPS 2020, equations 1 to 3. Cohen, Educational and Psychological Measurement 20, 1960.

    Examples
    --------
    Observed 3/4; expected 1/2 * 3/4 + 1/2 * 1/4 = 1/2.

    >>> error_consistency([1, 1, 0, 0], [1, 1, 1, 0])
    Consistency(value=0.5, observed=0.75, expected=0.5, reason='')
    """
    a, b = _pair(first, second)
    observed = float((a == b).mean())
    p, q = float(a.mean()), float(b.mean())
    expected = p * q + (1 - p) * (1 - q)
    if expected == 1:
        which = "right" if p else "wrong"
        return Consistency(
            float("nan"), observed, expected, f"both are {which} on every image, so they agree by chance alone"
        )
    return Consistency((observed - expected) / (1 - expected), observed, expected)


def consistency_interval(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, *, draws: int = 1000, seed: int = 0
) -> Interval:
    """Bootstrap over images of error consistency, hull with the Clopper-Pearson ends of the observed agreement.

    Resampling images is drawing Multinomial counts of the four outcomes. Resamples in which kappa is undefined are
    left out. Two deciders that agree on every image agree in every resample: the second interval, which holds chance
    agreement fixed, is then what is known.

    Parameters
    ----------
    first, second
        As in `error_consistency`.
    level : float
    draws : int
    seed : int

    Returns
    -------
    (lo, hi) in [-1, 1], around the value.

    Raises
    ------
    ValueError
        As `error_consistency`; kappa undefined; no draws; level outside (0, 1).

    Examples
    --------
    >>> lo, hi = consistency_interval([1, 1, 0, 0], [1, 1, 0, 0])
    >>> round(lo, 4), hi  # (0.3976 - 0.5) / 0.5, four of four agreeing
    (-0.2047, 1.0)
    """
    open_fraction(level, "level")
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    a, b = _pair(first, second)
    found = error_consistency(a, b)
    if found.reason:
        raise ValueError(f"first, second: {found.reason}; error consistency has no value")
    n = len(a)
    table = np.bincount(2 * a + b, minlength=4)
    counts = np.random.default_rng(seed).multinomial(n, table / n, size=draws) / n
    drawn = _kappa(counts[:, 0] + counts[:, 3], counts[:, 2] + counts[:, 3], counts[:, 1] + counts[:, 3])
    exact = [
        (end - found.expected) / (1 - found.expected) for end in clopper_pearson(int(table[0] + table[3]), n, level)
    ]
    return _hull(drawn, found.value, exact, level)


def mean_error_consistency(
    first: ArrayLike, others: ArrayLike, level: float = 0.95, *, draws: int = 1000, seed: int = 0
) -> tuple[float, Interval]:
    """Mean error consistency of one decider with several others, and its bootstrap interval over images.

    Every resample takes the same images for all of them. The others (the human observers, say) are held fixed: the
    interval is of these observers, not of people at large. Others whose kappa is undefined are left out.

    Parameters
    ----------
    first : bool (n,)
    others : bool (s, n)
    level : float
    draws : int
    seed : int

    Returns
    -------
    value, (lo, hi)
        In [-1, 1].

    Raises
    ------
    ValueError
        Wrong shapes, no kappa that is defined, no draws, level outside (0, 1).

    Notes
    -----
    Geirhos et al. 2020 plot this mean; model-vs-human's benchmark ranks models by it.

    Examples
    --------
    >>> mean_error_consistency([1, 1, 0, 0], [[1, 1, 1, 0], [0, 0, 1, 1]])[0]  # kappas 0.5 and -1
    -0.25
    """
    open_fraction(level, "level")
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    a, rest = outcomes(first), np.asarray(others)
    if rest.ndim != 2 or rest.shape[1:] != a.shape or not len(rest):
        raise ValueError(f"others: expected shape (s, {len(a)}), one row a decider, got {rest.shape}")
    each = [error_consistency(a, other).value for other in rest]
    kept = np.isfinite(each)
    if not kept.any():
        raise ValueError("first, others: all are right, or all wrong, on every image; error consistency has no value")
    b = rest[kept].astype(np.float64)
    value = float(np.mean(np.asarray(each)[kept]))
    weights = _image_weights(len(a), draws, seed)
    agree = weights @ (b == a).T.astype(np.float64)
    kappas = _kappa(agree, (weights @ a.astype(np.float64))[:, None], weights @ b.T)
    defined = np.isfinite(kappas)
    usable = defined.any(axis=1)
    drawn = np.where(defined, kappas, 0.0)[usable].sum(axis=1) / defined[usable].sum(axis=1)
    lo, hi = _hull(drawn, value, [value], level)
    return value, (lo, hi)


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Flags, Flags]:
    a, b = outcomes(first), outcomes(second)
    if a.shape != b.shape:
        raise ValueError(f"second: expected shape {a.shape}, one an answer of the first, got {b.shape}")
    return a, b


def _kappa(observed: NDArray[np.float64], p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kappa from shares; NaN where both are always right or always wrong."""
    beyond = p + q - 2 * p * q
    # 1 - (p q + (1 - p)(1 - q)) = p + q - 2 p q, which is 0 up to rounding where kappa is undefined.
    defined = beyond > 1e-12
    kappa = np.full(np.broadcast_shapes(observed.shape, beyond.shape), np.nan)
    np.divide(observed - 1 + beyond, beyond, out=kappa, where=defined)
    return kappa


@lru_cache(maxsize=2)
def _image_weights(n: int, draws: int, seed: int) -> NDArray[np.float64]:
    """Share of each resample that each image has, (draws, n): the same for every decider."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, n, size=(draws, n)) + n * np.arange(draws)[:, None]
    weights = np.bincount(rows.ravel(), minlength=draws * n).reshape(draws, n) / n
    weights.flags.writeable = False
    return weights


def _hull(drawn: NDArray[np.float64], value: float, others: list[float], level: float) -> Interval:
    here = drawn[np.isfinite(drawn)]
    ends = [value, *others, *(percentiles(here, level) if len(here) else ())]
    return max(-1.0, float(min(ends))), min(1.0, float(max(ends)))
