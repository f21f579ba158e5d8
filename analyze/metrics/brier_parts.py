"""Murphy's parts of the Brier score of the predicted class: reliability, resolution, uncertainty. Knows arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analyze.binning import bin_sums, equal_width_edges
from analyze.checks import bin_count, confidence_and_correct


@dataclass(frozen=True, slots=True, kw_only=True)
class BrierParts:
    """The parts of mean (confidence - correct)^2.

    score : the whole, in [0, 1].
    reliability : mean squared gap of confidence and accuracy of a bin, in [0, 1]; 0 is calibrated.
    resolution : mean squared gap of a bin's accuracy and the overall one, in [0, 1/4]; larger tells images apart.
    uncertainty : accuracy (1 - accuracy), in [0, 1/4]; what no forecast can change.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float


def brier_parts(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> BrierParts:
    """Decompose the top-label Brier score over equal-width right-closed bins.

    reliability = sum_b n_b / n (conf_b - acc_b)^2, resolution = sum_b n_b / n (acc_b - acc)^2, uncertainty = acc (1 -
    acc). reliability - resolution + uncertainty is the score of forecasts that say their bin's mean confidence; `score`
    differs from it by what the confidences vary within bins.

    The top-label score asks whether the predicted class is right, and is not the Brier score over all classes
    (`proper.brier`), whose parts would need a bin for every vector of probabilities.

    Parameters
    ----------
    confidence : float (n,)
        In [0, 1].
    correct : bool (n,)
    bins : int

    Returns
    -------
    BrierParts

    Raises
    ------
    ValueError
        Empty or unequal shapes, NaN, confidences outside [0, 1], fewer than 1 bin.

    Notes
    -----
    Murphy, A New Vector Partition of the Probability Score, Journal of Applied Meteorology 12, 1973.

    Examples
    --------
    Two images at 0.9, one right, and two at 0.6, both right.

    >>> parts = brier_parts([0.9, 0.9, 0.6, 0.6], [1, 0, 1, 1], bins=10)
    >>> round(parts.reliability, 12), round(parts.resolution, 12), round(parts.uncertainty, 12)
    (0.16, 0.0625, 0.1875)
    >>> round(parts.score, 12)  # (0.01 + 0.81 + 0.16 + 0.16) / 4 = 0.16 - 0.0625 + 0.1875
    0.285
    """
    conf, hits = confidence_and_correct(confidence, correct)
    sums = bin_sums(conf, hits, equal_width_edges(bin_count(bins)))
    full = sums.n > 0
    n, weight = sums.n[full], sums.n[full] / len(conf)
    accuracy, overall = sums.correct[full] / n, float(hits.mean())
    return BrierParts(
        score=float(((conf - hits) ** 2).mean()),
        reliability=float((weight * (sums.confidence[full] / n - accuracy) ** 2).sum()),
        resolution=float((weight * (accuracy - overall) ** 2).sum()),
        uncertainty=float(overall * (1.0 - overall)),
    )


def top_label_losses(confidence: ArrayLike, correct: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(confidence - correct)^2 of each image, in [0, 1]; their mean is the score. Errors as in `brier_parts`.

    Examples
    --------
    >>> top_label_losses([0.5, 1.0], [1, 0]).tolist()
    [0.25, 1.0]
    """
    conf, hits = confidence_and_correct(confidence, correct)
    return np.asarray((conf - hits) ** 2)
