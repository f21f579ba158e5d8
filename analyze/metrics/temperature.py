"""Temperature scaling: the one temperature that minimises the mean negative log-likelihood, solved exactly.

The loss is convex in 1/T, so a bracketed Halley iteration (Newton with curvature) finds the optimum; gradient recipes
with a fixed number of steps often stop short. Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from analyze.checks import Matrix, label_vector, logit_matrix

from .softmax import block_rows, softmax_blocks

COLDEST, HOTTEST = 1e-3, 1e3
# Halley's error after a relative step s is of the order of s^3.
SMALL_STEP = 3e-4
START_ROWS = 2048
# Small enough for both work buffers to stay in a core's cache over the several passes.
BLOCK_ROWS = 256
MAX_STEPS = 200
# Halley needs fewer steps than this unless the loss falls exponentially, as it does where every image is right.
PATIENCE = 8
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """A fitted temperature.

    temperature : T in [1e-3, 1e3]; probabilities are softmax(z / T).
    nll : mean negative log-likelihood at T, in nats.
    at_bound : no optimum lies inside the bracket, T is its end: 1e-3 where every image is right (T wants to be 0), 1e3
        where the logits tell nothing or the wrong thing. Also true, with T = 1, where each row's logits are all equal
        and no T differs.
    log_error : standard error of log T over images (sandwich): sqrt(sum of s_i^2) / sum of curvatures, s_i being the
        slope of image i's loss in log T; infinite where `at_bound`.
    """

    temperature: float
    nll: float
    at_bound: bool
    log_error: float = float("inf")

    def interval(self) -> tuple[float, float]:
        """95 % interval T exp(-+ 1.96 log_error); (0, inf) where nothing is known."""
        if not np.isfinite(self.log_error):
            return 0.0, float("inf")
        factor = float(np.exp(Z95 * self.log_error))
        return self.temperature / factor, self.temperature * factor


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
        start = _minimise(matrix[some], truth[some], start, 1e-2).log_beta
        if matrix.dtype.itemsize < 8:
            # One step in single precision usually leaves one pass for the costlier double.
            start = _halley(_derivatives(matrix, truth, start, np.float32), start)
    return _minimise(matrix, truth, start, SMALL_STEP).temperature()


class TemperatureSearch:
    """`fit_temperature` of logits that are handed over a few rows at a time, pass by pass.

    In each pass all rows are given to `add`, in any order, then `end_pass` is called; until `done`. A start near the
    optimum, from some of the rows, saves passes.

    Examples
    --------
    >>> search = TemperatureSearch()
    >>> while not search.done:
    ...     search.add(np.array([[np.log(81.0), 0.0]] * 3), np.array([0, 0, 0]))
    ...     search.add(np.array([[np.log(81.0), 0.0]]), np.array([1]))
    ...     search.end_pass()
    >>> round(search.found.temperature, 9)
    4.0
    """

    def __init__(self, start: Temperature | None = None) -> None:
        log_beta = 0.0 if start is None or start.at_bound else -float(np.log(start.temperature))
        self._steps = _search(log_beta, SMALL_STEP)
        self._at = next(self._steps)
        self._sums = _Derivatives()
        self._found: Temperature | None = None

    @property
    def done(self) -> bool:
        """Whether the optimum, or a bound, has been found."""
        return self._found is not None

    @property
    def found(self) -> Temperature:
        """What was found; to be asked once `done`."""
        if self._found is None:
            raise ValueError("temperature: the search has not ended; give it another pass")
        return self._found

    def add(self, logits: ArrayLike, labels: ArrayLike) -> None:
        """Take logits `(m, c)` and labels `(m,)` of some rows.

        Raises
        ------
        ValueError
            Wrong shapes, labels outside the classes, NaN or infinity.
        """
        matrix = logit_matrix(logits)
        self._sums += _derivatives(matrix, label_vector(labels, *matrix.shape), self._at)

    def end_pass(self) -> None:
        """Say that all rows have been given once.

        Raises
        ------
        ValueError
            When there were none.
        """
        if self._sums.n == 0:
            raise ValueError("temperature: expected at least 1 row of logits in a pass, got none")
        try:
            self._at = self._steps.send(self._sums)
        except StopIteration as stop:
            self._found = stop.value.temperature()
        self._sums = _Derivatives()


@dataclass(frozen=True, slots=True)
class _Derivatives:
    """Sums over n rows at beta = 1 / T: loss; `slope`, `curvature`, `skew`: its derivatives in beta times beta,
    beta^2, beta^3; `squares` of each row's slope; `flat`: whether each row's logits are all equal."""

    n: int = 0
    loss: float = 0.0
    slope: float = 0.0
    curvature: float = 0.0
    skew: float = 0.0
    squares: float = 0.0
    flat: bool = True

    def __add__(self, other: _Derivatives) -> _Derivatives:
        return _Derivatives(
            self.n + other.n,
            self.loss + other.loss,
            self.slope + other.slope,
            self.curvature + other.curvature,
            self.skew + other.skew,
            self.squares + other.squares,
            self.flat and other.flat,
        )


@dataclass(frozen=True, slots=True)
class _Optimum:
    """Where a search ended; `last` are the derivatives of its last pass."""

    log_beta: float
    loss: float
    at_bound: bool
    last: _Derivatives

    def temperature(self) -> Temperature:
        error = np.inf
        if not self.at_bound:
            error = np.sqrt(self.last.squares) / self.last.curvature
        return Temperature(
            temperature=_temperature(self.log_beta),
            nll=self.loss / self.last.n,
            at_bound=self.at_bound,
            log_error=float(error),
        )


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
    sums = _Derivatives()
    blocks = softmax_blocks(
        matrix, dtype=dtype, block=block_rows(matrix.shape[1], BLOCK_ROWS), temperature=_temperature(log_beta)
    )
    for part in blocks:
        label, total = labels[part.rows], 1.0 + part.rest
        own = part.shifted[np.arange(len(label)), label].astype(np.float64)
        mean = np.vecdot(part.exps, part.shifted) / total
        np.multiply(part.exps, part.shifted, out=part.exps)
        square = np.vecdot(part.exps, part.shifted) / total
        np.multiply(part.exps, part.shifted, out=part.exps)
        cube = np.vecdot(part.exps, part.shifted) / total
        slope, curvature = mean - own, square - mean**2
        sums += _Derivatives(
            n=len(label),
            loss=float((np.log1p(part.rest) - own).sum()),
            slope=float(slope.sum()),
            curvature=float(curvature.sum()),
            skew=float((cube - 3.0 * square * mean + 2.0 * mean**3).sum()),
            squares=float((slope**2).sum()),
            # Where a row tells two classes apart, one of these seldom is 0: the costlier look is seldom needed.
            flat=not slope.any() and not curvature.any() and not part.shifted.any(),
        )
    return sums


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


def _minimise(matrix: Matrix, labels: NDArray[np.intp], log_beta: float, tolerance: float) -> _Optimum:
    steps = _search(log_beta, tolerance)
    at = next(steps)
    while True:
        try:
            at = steps.send(_derivatives(matrix, labels, at))
        except StopIteration as stop:
            found: _Optimum = stop.value
            return found


def _search(log_beta: float, tolerance: float) -> Generator[float, _Derivatives, _Optimum]:
    """Ask for the derivatives at one log beta after the other; return where the loss is least."""
    low, high = LOWEST, HIGHEST
    for taken in range(1, MAX_STEPS + 1):
        at = yield log_beta
        if at.slope == 0 and at.curvature == 0:
            # Flat, or the exponentials have underflowed: flat to the last digit from here to the cold end.
            return _Optimum(0.0 if at.flat else HIGHEST, at.loss, True, at)
        if (log_beta == HIGHEST and at.slope <= 0) or (log_beta == LOWEST and at.slope >= 0):
            return _Optimum(log_beta, at.loss, True, at)
        if at.curvature > 0 and abs(at.slope) <= tolerance * at.curvature:
            # The last step is so short that Taylor's series gives the loss at its end.
            step = _relative_step(at)
            taylor = at.loss + step * (at.slope + step * (at.curvature / 2 + step * at.skew / 6))
            return _Optimum(_halley(at, log_beta), taylor, False, at)
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
