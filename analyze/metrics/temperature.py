"""Temperature scaling: the one temperature that minimises the mean negative log-likelihood, solved exactly.

The loss is convex in 1/T, so a bracketed Halley iteration (Newton with curvature) finds the optimum; gradient recipes
with a fixed number of steps often stop short. Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from analyze.checks import Matrix, label_vector, logit_matrix

from .softmax import softmax_blocks

COLDEST, HOTTEST = 1e-3, 1e3
# Halley's error after a relative step s is of the order of s^3.
SMALL_STEP = 3e-4
START_ROWS = 2048
# Small enough for both work buffers to stay in a core's cache over the several passes.
BLOCK_ROWS = 256
MAX_STEPS = 200
# Halley needs fewer steps than this unless the loss falls exponentially, as it does where every image is right.
PATIENCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """A fitted temperature.

    temperature : T in [1e-3, 1e3]; probabilities are softmax(z / T).
    nll : mean negative log-likelihood at T, in nats.
    at_bound : no optimum lies inside the bracket, T is its end: 1e-3 where every image is right (T wants to be 0), 1e3
    where
        the logits tell nothing or the wrong thing. Also true, with T = 1, where each row's logits are all equal and no
        T differs.
    """

    temperature: float
    nll: float
    at_bound: bool


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> Temperature:
    """T that minimises the mean of -log softmax(z / T)[label].

    Parameters
    ----------
    logits : float (n, c)
        Unscaled logits; cosines do too (T is then about 0.01).
    labels : int (n,)

    Returns
    -------
    Temperature
        T to a relative 1e-9 unless `at_bound`.

    Raises
    ------
    ValueError
        Wrong shapes, labels outside the classes, NaN or infinity (with row numbers).

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. Differs from their code, which runs a
    few L-BFGS steps from T = 1.5 and need not arrive.

    Examples
    --------
    Logits of log 81 = 4 log 3 that are right 3 times in 4: the best confidence is 3/4, odds 3, so T is 4.

    >>> fit = fit_temperature([[np.log(81.0), 0.0]] * 4, [0, 0, 0, 1])
    >>> round(fit.temperature, 9), fit.at_bound
    (4.0, False)
    """
    matrix = logit_matrix(logits)
    truth = label_vector(labels, *matrix.shape)
    start = 0.0
    if len(matrix) > 4 * START_ROWS:
        some = slice(None, None, len(matrix) // START_ROWS)
        start = _minimise(matrix[some], truth[some], start, 1e-2)[0]
        if matrix.dtype.itemsize < 8:
            # One step in single precision usually leaves one pass for the costlier double.
            start = _halley(_derivatives(matrix, truth, start, np.float32), start)
    log_beta, nll, at_bound = _minimise(matrix, truth, start, SMALL_STEP)
    return Temperature(temperature=_temperature(log_beta), nll=nll, at_bound=at_bound)


@dataclass(frozen=True, slots=True)
class _Derivatives:
    """Mean loss at beta = 1 / T; `slope`, `curvature`, `skew`: its derivatives in beta times beta, beta^2, beta^3."""

    nll: float
    slope: float
    curvature: float
    skew: float


LOWEST, HIGHEST = float(np.log(1 / HOTTEST)), float(np.log(1 / COLDEST))
LONGEST_STEP = float(np.log(10.0))


def _temperature(log_beta: float) -> float:
    if log_beta in (LOWEST, HIGHEST):
        return HOTTEST if log_beta == LOWEST else COLDEST
    return float(np.exp(-log_beta))


def _derivatives(
    matrix: Matrix, labels: NDArray[np.intp], log_beta: float, dtype: DTypeLike = np.float64
) -> _Derivatives:
    # The derivatives of log sum exp are the cumulants of the shifted logits under the softmax.
    nll = slope = curvature = skew = 0.0
    blocks = softmax_blocks(matrix, dtype=dtype, block=BLOCK_ROWS, temperature=_temperature(log_beta))
    for part in blocks:
        label, total = labels[part.rows], 1.0 + part.rest
        own = part.shifted[np.arange(len(label)), label].astype(np.float64)
        mean = np.vecdot(part.exps, part.shifted) / total
        np.multiply(part.exps, part.shifted, out=part.exps)
        square = np.vecdot(part.exps, part.shifted) / total
        np.multiply(part.exps, part.shifted, out=part.exps)
        cube = np.vecdot(part.exps, part.shifted) / total
        nll += float((np.log1p(part.rest) - own).sum())
        slope += float((mean - own).sum())
        curvature += float((square - mean**2).sum())
        skew += float((cube - 3.0 * square * mean + 2.0 * mean**3).sum())
    n = len(matrix)
    return _Derivatives(nll / n, slope / n, curvature / n, skew / n)


def _relative_step(at: _Derivatives) -> float:
    """Halley's step in beta over beta; Newton's where Halley's would turn round. Needs curvature."""
    newton = -at.slope / at.curvature
    bend = 1.0 + 0.5 * newton * at.skew / at.curvature
    return newton / bend if bend > 0.5 else newton


def _halley(at: _Derivatives, log_beta: float) -> float:
    """The next log beta: no further off than a factor of 10, and inside the bracket."""
    if at.curvature <= 0:
        step = -np.sign(at.slope) * LONGEST_STEP
    else:
        step = np.log1p(np.clip(_relative_step(at), -0.9, 9.0))
    return float(np.clip(log_beta + step, LOWEST, HIGHEST))


def _minimise(matrix: Matrix, labels: NDArray[np.intp], log_beta: float, tolerance: float) -> tuple[float, float, bool]:
    """log beta, loss, and whether a bound stopped the search."""
    low, high = LOWEST, HIGHEST
    for taken in range(1, MAX_STEPS + 1):
        at = _derivatives(matrix, labels, log_beta)
        if at.slope == 0 and at.curvature == 0:
            if not np.ptp(matrix, axis=1).any():
                return 0.0, at.nll, True
            # The exponentials have underflowed: flat to the last digit from here to the cold end.
            return HIGHEST, at.nll, True
        if (log_beta == HIGHEST and at.slope <= 0) or (log_beta == LOWEST and at.slope >= 0):
            return log_beta, at.nll, True
        if at.curvature > 0 and abs(at.slope) <= tolerance * at.curvature:
            # The last step is so short that Taylor's series gives the loss at its end.
            step = _relative_step(at)
            taylor = at.nll + step * (at.slope + step * (at.curvature / 2 + step * at.skew / 6))
            return _halley(at, log_beta), taylor, False
        if at.slope > 0:
            high = log_beta
        else:
            low = log_beta
        proposal = _halley(at, log_beta)
        if taken == PATIENCE:
            log_beta = LOWEST if at.slope > 0 else HIGHEST
        elif taken > PATIENCE and taken % 2:
            log_beta = (low + high) / 2
        elif low < proposal < high or (proposal == low == LOWEST) or (proposal == high == HIGHEST):
            log_beta = proposal
        else:
            log_beta = (low + high) / 2
    raise ArithmeticError(
        f"temperature: no convergence within {MAX_STEPS} steps; the bracket is {low:g} to {high:g} in log 1/T"
    )
