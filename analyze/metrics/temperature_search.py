"""The search for the temperature of least loss: Halley steps inside a bracket, asking for derivatives pass by pass.

The loss is convex in 1/T and searched in log 1/T. Knows arrays only, and nothing of how the rows come.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analyze.checks import Matrix

from .softmax import block_rows, softmax_blocks

COLDEST, HOTTEST = 1e-3, 1e3
LOWEST, HIGHEST = float(np.log(1 / HOTTEST)), float(np.log(1 / COLDEST))
LONGEST_STEP = float(np.log(10.0))
# Halley's error after a relative step s is of the order of s^3.
SMALL_STEP = 3e-4
# Small enough for both work buffers to stay in a core's cache over the several passes.
BLOCK_ROWS = 256
MAX_STEPS = 200
# Halley needs fewer steps than this unless the loss falls exponentially, as it does where every image is right.
PATIENCE = 8


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Sums over n rows at beta = 1 / T: loss; `slope`, `curvature`, `skew`: its derivatives in beta times beta,
    beta^2, beta^3; `squares` of each row's slope; `flat`: whether each row's logits are all equal."""

    n: int = 0
    loss: float = 0.0
    slope: float = 0.0
    curvature: float = 0.0
    skew: float = 0.0
    squares: float = 0.0
    flat: bool = True

    def __add__(self, other: Derivatives) -> Derivatives:
        return Derivatives(
            self.n + other.n,
            self.loss + other.loss,
            self.slope + other.slope,
            self.curvature + other.curvature,
            self.skew + other.skew,
            self.squares + other.squares,
            self.flat and other.flat,
        )


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where a search ended; `last` are the derivatives of its last pass."""

    log_beta: float
    loss: float
    at_bound: bool
    last: Derivatives


def temperature_at(log_beta: float) -> float:
    """T = 1 / beta; at the ends of the bracket exactly 1e-3 and 1e3."""
    if log_beta in (LOWEST, HIGHEST):
        return HOTTEST if log_beta == LOWEST else COLDEST
    return float(np.exp(-log_beta))


def derivatives(
    matrix: Matrix, labels: NDArray[np.intp], log_beta: float, dtype: DTypeLike = np.float64
) -> Derivatives:
    """Sums over the rows of a matrix of logits, computed in `dtype`."""
    # The derivatives of log sum exp are the cumulants of the shifted logits under the softmax.
    sums = Derivatives()
    blocks = softmax_blocks(
        matrix, dtype=dtype, block=block_rows(matrix.shape[1], BLOCK_ROWS), temperature=temperature_at(log_beta)
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
        sums += Derivatives(
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


def _relative_step(at: Derivatives) -> float:
    """Halley's step in beta over beta; Newton's where Halley's would turn round. Needs curvature."""
    newton = -at.slope / at.curvature
    bend = 1.0 + 0.5 * newton * at.skew / at.curvature
    return newton / bend if bend > 0.5 else newton


def halley(at: Derivatives, log_beta: float) -> float:
    """The next log beta: no further off than a factor of 10, and inside the bracket."""
    if at.curvature <= 0:
        step = -np.sign(at.slope) * LONGEST_STEP
    else:
        step = np.log1p(np.clip(_relative_step(at), -0.9, 9.0))
    return float(np.clip(log_beta + step, LOWEST, HIGHEST))


def search(log_beta: float, tolerance: float) -> Generator[float, Derivatives, Optimum]:
    """Ask for the derivatives at one log beta after the other; return where the loss is least."""
    low, high = LOWEST, HIGHEST
    for taken in range(1, MAX_STEPS + 1):
        at = yield log_beta
        if at.slope == 0 and at.curvature == 0:
            # Flat, or the exponentials have underflowed: flat to the last digit from here to the cold end.
            return Optimum(0.0 if at.flat else HIGHEST, at.loss, True, at)
        if (log_beta == HIGHEST and at.slope <= 0) or (log_beta == LOWEST and at.slope >= 0):
            return Optimum(log_beta, at.loss, True, at)
        if at.curvature > 0 and abs(at.slope) <= tolerance * at.curvature:
            # The last step is so short that Taylor's series gives the loss at its end.
            step = _relative_step(at)
            taylor = at.loss + step * (at.slope + step * (at.curvature / 2 + step * at.skew / 6))
            return Optimum(halley(at, log_beta), taylor, False, at)
        if at.slope > 0:
            high = log_beta
        else:
            low = log_beta
        proposal = halley(at, log_beta)
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
