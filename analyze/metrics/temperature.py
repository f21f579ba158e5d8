"""Temperature scaling: the one temperature that minimises the mean negative log-likelihood, solved exactly.

The loss is convex in 1/T, so a bracketed Halley iteration (Newton with curvature) finds the optimum; gradient recipes
with a fixed number of steps often stop short. Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import Matrix, label_vector, logit_matrix

from .temperature_search import SMALL_STEP, Derivatives, Optimum, derivatives, halley, search, temperature_at

START_ROWS = 2048
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
            start = halley(derivatives(matrix, truth, start, np.float32), start)
    return _temperature(_minimise(matrix, truth, start, SMALL_STEP))


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
        self._steps = search(log_beta, SMALL_STEP)
        self._at = next(self._steps)
        self._sums = Derivatives()
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
        self._sums += derivatives(matrix, label_vector(labels, *matrix.shape), self._at)

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
            self._found = _temperature(stop.value)
        self._sums = Derivatives()


def _minimise(matrix: Matrix, labels: NDArray[np.intp], log_beta: float, tolerance: float) -> Optimum:
    steps = search(log_beta, tolerance)
    at = next(steps)
    while True:
        try:
            at = steps.send(derivatives(matrix, labels, at))
        except StopIteration as stop:
            found: Optimum = stop.value
            return found


def _temperature(found: Optimum) -> Temperature:
    error = np.inf if found.at_bound else np.sqrt(found.last.squares) / found.last.curvature
    return Temperature(
        temperature=temperature_at(found.log_beta),
        nll=found.loss / found.last.n,
        at_bound=found.at_bound,
        log_error=float(error),
    )
