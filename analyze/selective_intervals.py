"""Bootstrap intervals of the area under the risk-coverage curve, and of the risk at a coverage.

Rows are not resampled one by one: images of neighbouring confidence form up to 256 blocks, and a resample is
Multinomial counts of right and wrong answers in each. Time and memory do not grow with n times draws. Knows arrays
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .binning import bin_index, equal_mass_edges
from .checks import confidence_and_correct, open_fraction
from .intervals import clopper_pearson
from .metrics.detection import exact_rank
from .metrics.selective import aurc, risk_at_coverage
from .resampling import Interval, percentiles

BLOCKS = 256


@dataclass(frozen=True, slots=True)
class SelectiveIntervals:
    """Of the area, and of the risk at each coverage that was asked for."""

    aurc: Interval
    risk: tuple[Interval, ...]


def selective_intervals(
    confidence: ArrayLike,
    correct: ArrayLike,
    coverages: Sequence[float] = (),
    level: float = 0.95,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> SelectiveIntervals:
    """Percentile bootstrap over images, blocks of neighbouring confidence counting as ties.

    What the blocks blur (they let the order within a block count for nothing) is the same in every resample up to the
    second order, and is taken off: resampled values are moved by the exact value minus the blocks' value. The interval
    of a risk is the hull with Clopper-Pearson's of the errors among the images that are kept. Answers that are all
    right or all wrong cannot vary in a resample: the area then has Clopper-Pearson's interval of the error rate, which
    it is with a confidence that tells nothing.

    Parameters
    ----------
    confidence, correct
        As in `metrics.selective.aurc`.
    coverages : floats in (0, 1]
    level : float
    draws : int
    seed : int

    Returns
    -------
    SelectiveIntervals
        Ends in [0, 1], around the values.

    Raises
    ------
    ValueError
        As `metrics.selective.risk_at_coverage`; no draws; level outside (0, 1).

    Examples
    --------
    Ten right answers: the error rate is below 0.3085.

    >>> lo, hi = selective_intervals([0.5] * 10, [1] * 10).aurc
    >>> lo, round(hi, 4)
    (0.0, 0.3085)
    """
    open_fraction(level, "level")
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    conf, hits = confidence_and_correct(confidence, correct)
    n, errors = len(conf), int((hits == 0).sum())
    edges = equal_mass_edges(conf, BLOCKS)
    # From the most confident block down.
    block = len(edges) - 2 - bin_index(conf, edges)
    blocks = len(edges) - 1
    cells = np.bincount(2 * block + (hits == 0), minlength=2 * blocks)
    counts = np.random.default_rng(seed).multinomial(n, cells / n, size=draws)
    drawn, here = _Blocks.of(counts, n), _Blocks.of(cells[None], n)
    area = aurc(conf, hits)
    if errors in (0, n):
        ends = clopper_pearson(errors, n, level)
    else:
        ends = percentiles(drawn.area() + (area - here.area()), level)
    risks = []
    for coverage in coverages:
        value, rank = risk_at_coverage(conf, hits, coverage), exact_rank(n, coverage)
        lo, hi = percentiles(drawn.risk(rank) + (value - here.risk(rank)), level)
        # Ties make a fraction of an error; the ends take the whole ones around it.
        wrong = value * rank
        few, many = int(np.floor(wrong + 1e-9)), int(np.ceil(wrong - 1e-9))
        exact = clopper_pearson(few, rank, level)[0], clopper_pearson(many, rank, level)[1]
        risks.append(_clipped(min(lo, exact[0]), max(hi, exact[1]), value))
    return SelectiveIntervals(_clipped(*ends, area), tuple(risks))


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks of d data sets of n images each, the most confident first; every field has shape (d, b).

    last
        Images in this block and above.
    size, wrong
        Images and errors in this block.
    above
        Errors above this block.
    """

    n: int
    last: NDArray[np.int64]
    size: NDArray[np.int64]
    wrong: NDArray[np.int64]
    above: NDArray[np.int64]

    @classmethod
    def of(cls, counts: NDArray[Any], n: int) -> _Blocks:
        wrong = counts[:, 1::2]
        size = counts[:, 0::2] + wrong
        return cls(n, np.cumsum(size, axis=1), size, wrong, np.cumsum(wrong, axis=1) - wrong)

    def area(self) -> NDArray[np.float64]:
        """Mean risk over the n coverages, in closed form.

        In a block that begins after M images with E errors, image k has risk (E + k s) / (M + k), s being the block's
        error rate; its sum over k = 1 to m is E D + s (m - M D) with D = H(M + m) - H(M), H the harmonic numbers.
        """
        harmonic = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, self.n + 1))))
        before = self.last - self.size
        steps = harmonic[self.last] - harmonic[before]
        inside = self._rate() * (self.size - before * steps)
        return np.asarray((self.above * steps + inside).sum(axis=1) / self.n)

    def risk(self, rank: int) -> NDArray[np.float64]:
        """Error rate among the `rank` most confident images."""
        at = np.argmax(self.last >= rank, axis=1)[:, None]
        above, last, size, rate = (
            np.take_along_axis(part, at, axis=1)[:, 0] for part in (self.above, self.last, self.size, self._rate())
        )
        return np.asarray((above + (rank - (last - size)) * rate) / rank)

    def _rate(self) -> NDArray[np.float64]:
        return np.asarray(self.wrong / np.maximum(self.size, 1))


def _clipped(lo: float, hi: float, value: float) -> Interval:
    return max(0.0, min(float(lo), value)), min(1.0, max(float(hi), value))
