"""The numbers of a reliability diagram. Knows arrays only; `calibration` offers these names too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.binning import bin_sums, equal_width_edges
from analyze.checks import bin_count, confidence_and_correct
from analyze.intervals import clopper_pearson

Masked = np.ma.MaskedArray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBins:
    """The numbers of a reliability diagram; every field has one entry a bin.

    lower, upper : edges; bin m holds lower < confidence <= upper.
    n : images in the bin, 0 allowed.
    mean_confidence, accuracy : means over the bin.
    accuracy_lo, accuracy_hi : 95 % Clopper-Pearson interval of the accuracy.

    The last four are masked arrays, masked exactly where n is 0: an empty bin has no mean, and drawing or averaging
    skips it. Under the mask stand 0, 0 and the empty interval's [0, 1], so that no NaN can leak; `.filled(value)`
    chooses another.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    n: NDArray[np.intp]
    mean_confidence: Masked
    accuracy: Masked
    accuracy_lo: Masked
    accuracy_hi: Masked

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Which bins hold no image."""
        return np.equal(self.n, 0)


def reliability_bins(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> ReliabilityBins:
    """Equal-width bins of a reliability diagram, with exact intervals of the accuracy.

    Parameters and errors as in `expected_calibration_error`.

    Returns
    -------
    ReliabilityBins

    Notes
    -----
    Niculescu-Mizil and Caruana, Predicting Good Probabilities with Supervised Learning, ICML 2005; Guo et al. 2017,
    figure 1.

    Examples
    --------
    >>> diagram = reliability_bins([0.9, 0.8, 0.3], [1, 0, 1], bins=4)
    >>> diagram.n.tolist(), diagram.accuracy.tolist()
    ([0, 1, 0, 2], [None, 1.0, None, 0.5])
    """
    conf, hits = confidence_and_correct(confidence, correct)
    sums = bin_sums(conf, hits, equal_width_edges(bin_count(bins)))
    full = sums.n > 0
    n = sums.n[full]
    lo, hi = clopper_pearson(sums.correct[full].astype(np.intp), n)

    def masked(values: NDArray[np.float64], under_mask: float) -> Masked:
        data = np.full(bins, under_mask)
        data[full] = values
        return np.ma.MaskedArray(data, mask=~full)

    return ReliabilityBins(
        lower=sums.edges[:-1],
        upper=sums.edges[1:],
        n=sums.n,
        mean_confidence=masked(sums.confidence[full] / n, 0.0),
        accuracy=masked(sums.correct[full] / n, 0.0),
        accuracy_lo=masked(lo, 0.0),
        accuracy_hi=masked(hi, 1.0),
    )
