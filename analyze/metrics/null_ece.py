"""What the expected calibration error reads on few images although nothing is wrong. Knows arrays only."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.binning import bin_index, equal_width_edges
from analyze.checks import bin_count, float_array, probabilities
from analyze.resampling import percentiles

RUNS = 32
"""Most runs of neighbouring confidences in a bin; a bin of no more images than this is simulated image by image."""


def null_ece(
    confidence: ArrayLike, bins: int = 15, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean and central band of the ECE if every image were right with exactly its confidence as probability.

    correct_i ~ Bernoulli(confidence_i), and the ECE of `calibration.expected_calibration_error` over equal-width
    right-closed bins. A model whose ECE lies in the band cannot be told from a calibrated one by these images.

    In a bin of more than 32 images, 32 runs of neighbouring confidences share their mean: the number right in a run
    of m is Binomial(m, mean), whose variance is too large by m times the variance within the run, a share of a
    thousandth or so.

    Parameters
    ----------
    confidence : float (n,)
        In [0, 1].
    bins : int
    draws : int
        Number of simulations.
    seed : int
    level : float

    Returns
    -------
    (mean, lo, hi) : floats in [0, 1]

    Raises
    ------
    ValueError
        No images, NaN, confidences outside [0, 1], fewer than 1 bin or draw.

    Notes
    -----
    Consistency resampling: Broecker and Smith, Increasing the Reliability of Reliability Diagrams, Weather and
    Forecasting 22, 2007. Vaicenavicius et al., Evaluating model calibration in classification, AISTATS 2019, section 5.

    Examples
    --------
    One image at 1/2 is off by 1/2 whether right or wrong; images at 1 are always right.

    >>> null_ece([0.5])
    (0.5, 0.5, 0.5)
    >>> null_ece([1.0, 1.0])
    (0.0, 0.0, 0.0)
    """
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    values = np.sort(probabilities(float_array(confidence, "confidence", 1), "confidence"))
    n = len(values)
    starts, first_of_bin = _runs(bin_index(values, equal_width_edges(bin_count(bins))))
    size = np.diff([*starts, n])
    expected = np.add.reduceat(values, starts)
    rng = np.random.default_rng(seed)
    share = np.clip(expected / size, 0.0, 1.0)
    # One run after the other: the generator then prepares each binomial once.
    gaps = rng.binomial(size[:, None], share[:, None], size=(len(size), draws)) - expected[:, None]
    errors = np.abs(np.add.reduceat(gaps, first_of_bin, axis=0)).sum(axis=0) / n
    lo, hi = percentiles(errors, level)
    return float(errors.mean()), lo, hi


def _runs(index: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First row of each run, and the first run of each bin, for sorted rows whose bins are given."""
    borders = [*np.flatnonzero(np.diff(index, prepend=-1)), len(index)]
    parts = [
        start + np.arange(min(RUNS, stop - start)) * (stop - start) // min(RUNS, stop - start)
        for start, stop in itertools.pairwise(borders)
    ]
    return np.concatenate(parts), np.cumsum([0, *(len(part) for part in parts[:-1])])
