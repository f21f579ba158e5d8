"""How far confidence is from accuracy: calibration errors, binned and not; reliability diagrams come from beside.

All take float64 copies of the confidences (a float32 1.0000001 must not fall out of the last bin) and right-closed bins
(lo, hi]. Knows arrays only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analyze.binning import BinSums, bin_sums, equal_mass_edges, equal_width_edges
from analyze.checks import bin_count, confidence_and_correct, float_array, probabilities

from .classwise import classwise_ece, classwise_ece_of_logits
from .reliability import ReliabilityBins, reliability_bins

__all__ = [
    "ReliabilityBins",
    "classwise_ece",
    "classwise_ece_of_logits",
    "confidence_gap",
    "debiased_calibration_error",
    "equal_mass_ece",
    "expected_calibration_error",
    "ks_calibration_error",
    "maximum_calibration_error",
    "reliability_bins",
    "rms_calibration_error",
    "sharpness",
]


def _weighted_gap(sums: BinSums) -> float:
    # n_b |acc_b - conf_b| is the absolute difference of two sums, so no bin needs a division.
    return float(np.abs(sums.correct - sums.confidence).sum() / sums.n.sum())


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """ECE = sum over bins of n_b / n |accuracy_b - mean confidence_b|, over equal-width right-closed bins of [0, 1].

    Parameters
    ----------
    confidence : float (n,)
        Largest softmax probability of each image, in [0, 1].
    correct : bool (n,)
    bins : int
        15 in Guo et al. and most libraries, 25 in the spline-calibration repository.

    Returns
    -------
    float in [0, 1]. It reads too high on few images: calibrated predictions of 100 images give about 0.09.

    Raises
    ------
    ValueError
        Empty or unequal shapes, NaN, confidences outside [0, 1], fewer than 1 bin.

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3. A confidence of exactly 0, which no
    softmax gives, counts in the first bin; Guo's code drops it.

    Examples
    --------
    Two images at 0.9, one right, and two at 0.6, both right: (2 |1/2 - 0.9| + 2 |1 - 0.6|) / 4.

    >>> round(expected_calibration_error([0.9, 0.9, 0.6, 0.6], [1, 0, 1, 1], bins=10), 12)
    0.4
    """
    conf, hits = confidence_and_correct(confidence, correct)
    return _weighted_gap(bin_sums(conf, hits, equal_width_edges(bin_count(bins))))


def equal_mass_ece(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """ECE over bins of nearly equal counts (adaptive ECE).

    Bins are cut where `numpy.array_split` cuts the sorted confidences, then moved so that equal confidences share a
    bin: the result does not depend on the order of the rows. Parameters and errors as in `expected_calibration_error`.

    Returns
    -------
    float in [0, 1].

    Notes
    -----
    Nguyen and O'Connor, Posterior Calibration and Exploratory Analysis for NLP Models, EMNLP 2015, section 4.

    Examples
    --------
    Sorted, the pairs are (0.2, 0.4) with one right and (0.6, 0.8) with two right: (2 |1/2 - 0.3| + 2 |1 - 0.7|) / 4.

    >>> round(equal_mass_ece([0.2, 0.4, 0.6, 0.8], [1, 0, 1, 1], bins=2), 12)
    0.25
    """
    conf, hits = confidence_and_correct(confidence, correct)
    return _weighted_gap(bin_sums(conf, hits, equal_mass_edges(conf, bin_count(bins))))


def maximum_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Largest |accuracy_b - mean confidence_b| over the non-empty equal-width right-closed bins of [0, 1].

    Ruled by the emptiest bins: a bin of one image is off by its confidence or by the rest to 1. Parameters and errors
    as in `expected_calibration_error`.

    Returns
    -------
    float in [0, 1], at least the ECE.

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 5.

    Examples
    --------
    >>> round(maximum_calibration_error([0.9, 0.9, 0.6, 0.6], [1, 0, 1, 1], bins=10), 12)
    0.4
    """
    conf, hits = confidence_and_correct(confidence, correct)
    sums = bin_sums(conf, hits, equal_width_edges(bin_count(bins)))
    full = sums.n > 0
    return float((np.abs(sums.correct - sums.confidence)[full] / sums.n[full]).max())


def rms_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Root of the mean squared gap, sqrt(sum over equal-mass bins of n_b / n (acc_b - conf_b)^2).

    The same bins as `debiased_calibration_error`, which takes off what sampling alone causes. Parameters and errors as
    in `expected_calibration_error`.

    Returns
    -------
    float in [0, 1].

    Notes
    -----
    Hendrycks, Mazeika and Dietterich, Deep Anomaly Detection with Outlier Exposure, ICLR 2019, section 4.5. Differs
    from their code, which takes bins of 100 images each (give `bins=n // 100`) and leaves the last bin out.

    Examples
    --------
    Two bins of two: accuracies 1/2 and 1, mean confidences 0.3 and 0.7.

    >>> round(rms_calibration_error([0.2, 0.4, 0.6, 0.8], [0, 1, 1, 1], bins=2) ** 2, 12)  # (0.2^2 + 0.3^2) / 2
    0.065
    """
    conf, hits = confidence_and_correct(confidence, correct)
    sums = bin_sums(conf, hits, equal_mass_edges(conf, bin_count(bins)))
    full = sums.n > 0
    square = (sums.correct - sums.confidence)[full] ** 2 / sums.n[full]
    return float(np.sqrt(square.sum() / len(conf)))


def debiased_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Debiased L2 calibration error of the predicted class, over equal-mass bins.

    sqrt(max(0, sum over bins of n_b / n [(acc_b - conf_b)^2 - acc_b (1 - acc_b) / (n_b - 1)])): the second term is the
    part of the first that sampling alone causes. A bin of one row has no variance to subtract and adds nothing, as in
    the authors' code. Parameters and errors as in `expected_calibration_error`.

    Returns
    -------
    float in [0, 1], exactly 0 where sampling explains the whole gap.

    Notes
    -----
    Kumar, Liang and Ma, Verified Uncertainty Calibration, NeurIPS 2019, section 5, definition 5.1; top-label and
    equal-mass bins as in their `get_top_calibration_error`. When n is not divisible by the number of bins their pieces
    are all of ceil(n / bins) rows but the last, ours are cut as `numpy.array_split` does.

    Examples
    --------
    One bin, 4 rows at 0.9, half right: (0.5 - 0.9)^2 - 0.25 / 3 = 0.0766..., whose root is 0.2769.

    >>> round(debiased_calibration_error([0.9] * 4, [1, 1, 0, 0], bins=1), 4)
    0.2769
    """
    conf, hits = confidence_and_correct(confidence, correct)
    sums = bin_sums(conf, hits, equal_mass_edges(conf, bin_count(bins)))
    use = sums.n >= 2
    n, accuracy = sums.n[use], sums.correct[use] / sums.n[use]
    gap = accuracy - sums.confidence[use] / n
    square = float((n * (gap**2 - accuracy * (1 - accuracy) / (n - 1))).sum() / len(conf))
    return float(np.sqrt(max(0.0, square)))


def ks_calibration_error(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Kolmogorov-Smirnov calibration error: the largest gap between cumulated confidence and cumulated accuracy.

    max over t of |sum over rows with confidence <= t of (confidence - correct)| / n; free of bins. Taken only after all
    rows of equal confidence, so that the order of tied rows cannot matter.

    Parameters and errors as in `expected_calibration_error`.

    Returns
    -------
    float in [0, 1].

    Notes
    -----
    Gupta et al., Calibration of Neural Networks using Splines, ICLR 2021, section 3.
    Differs from their code at ties only, which there depend on the order of the rows.

    Examples
    --------
    Cumulated gaps: 0.2 / 4, then (0.2 + 0.4 - 1) / 4, (-0.4 + 0.6 - 1) / 4, (-0.8 + 0.8 - 1) / 4.

    >>> round(ks_calibration_error([0.2, 0.4, 0.6, 0.8], [0, 1, 1, 1]), 12)
    0.25
    """
    conf, hits = confidence_and_correct(confidence, correct)
    order = np.argsort(conf, kind="stable")
    ordered = conf[order]
    gaps = np.cumsum(ordered - hits[order])
    ends = np.append(ordered[1:] != ordered[:-1], True)
    return float(np.abs(gaps[ends]).max() / len(conf))


def confidence_gap(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean confidence minus accuracy, signed, in [-1, 1]: above 0 is overconfident. Never larger than the ECE in size.

    Parameters and errors as in `expected_calibration_error`.

    Examples
    --------
    >>> confidence_gap([1.0, 0.5], [1, 0])  # 0.75 - 0.5
    0.25
    """
    conf, hits = confidence_and_correct(confidence, correct)
    return float(conf.mean() - hits.mean())


def sharpness(confidence: ArrayLike) -> float:
    """Variance of the confidences, in [0, 1/4]: 0 where every image gets the same one. No label takes part.

    Parameters
    ----------
    confidence : float (n,)

    Raises
    ------
    ValueError
        No images, NaN, confidences outside [0, 1].

    Notes
    -----
    Sharpness in the sense of Murphy and Winkler, A General Framework for Forecast Verification, Monthly Weather Review
    115, 1987: how far forecasts spread, whatever happens then.

    Examples
    --------
    >>> sharpness([0.5, 1.0])  # 0.25^2
    0.0625
    """
    return float(probabilities(float_array(confidence, "confidence", 1), "confidence").var())
