"""Recalibration with more freedom than one temperature: vector scaling and isotonic regression. Emerging: no rows yet.

Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from analyze.checks import confidence_and_correct, float_array, label_vector, logit_matrix, probabilities

from .softmax import softmax_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorScaling:
    """Fitted scale and shift of each class: probabilities are softmax(weight z + bias).

    weight, bias : (c,); the biases add up to 0.
    nll : mean negative log-likelihood of the fit, in nats.
    converged : whether the optimiser arrived. It never does where classes can be told apart wholly.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    nll: float
    converged: bool

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Return the recalibrated logits (n, c) of float (n, c)."""
        return np.asarray(logit_matrix(logits) * self.weight + self.bias)


def fit_vector_scaling(logits: ArrayLike, labels: ArrayLike) -> VectorScaling:
    """Scale and shift of each class that minimise the mean negative log-likelihood (convex), by L-BFGS. Emerging.

    Parameters
    ----------
    logits : float (n, c)
    labels : int (n,)

    Returns
    -------
    VectorScaling
        Fitted from weight 1 and bias 0; the answer may change class, unlike under a temperature.

    Raises
    ------
    ValueError
        Wrong shapes, labels outside the classes, NaN or infinity.

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.

    Examples
    --------
    Equal logits, right 3 times in 4 with class 0: the biases are log 3 apart.

    >>> fit = fit_vector_scaling(np.zeros((4, 2)), [0, 0, 0, 1])
    >>> round(float(fit.bias[0] - fit.bias[1]), 4), round(float(np.log(3)), 4)
    (1.0986, 1.0986)
    """
    matrix = logit_matrix(logits)
    n, c = matrix.shape
    truth = label_vector(labels, n, c)

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = 0.0, np.zeros(2 * c)
        for start in range(0, n, 1024):
            block, label = matrix[start : start + 1024].astype(np.float64), truth[start : start + 1024]
            for part in softmax_blocks(block * x[:c] + x[c:]):
                rows = part.rows
                value += float(part.negative_log_likelihood(label[rows]).sum())
                gap = part.probabilities().copy()
                gap[np.arange(len(gap)), label[rows]] -= 1.0
                slope[:c] += (gap * block[rows]).sum(axis=0)
                slope[c:] += gap.sum(axis=0)
        return value / n, slope / n

    start = np.concatenate([np.ones(c), np.zeros(c)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-9, "ftol": 1e-15})
    bias = found.x[c:] - found.x[c:].mean()
    return VectorScaling(weight=found.x[:c], bias=bias, nll=float(found.fun), converged=bool(found.success))


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A fitted rising step function from confidence to accuracy.

    upper : (k,), rising; confidences up to this one (the last also above) are of a step.
    value : (k,), rising; accuracy of the step.
    """

    upper: NDArray[np.float64]
    value: NDArray[np.float64]

    def confidence(self, confidence: ArrayLike) -> NDArray[np.float64]:
        """Return the recalibrated confidences of float (n,) in [0, 1]."""
        given = probabilities(float_array(confidence, "confidence", 1), "confidence")
        return np.asarray(self.value[np.minimum(np.searchsorted(self.upper, given), len(self.value) - 1)])


def fit_isotonic(confidence: ArrayLike, correct: ArrayLike) -> Isotonic:
    """Rising step function nearest to the outcomes in squares, by pooling adjacent violators. Emerging.

    Parameters
    ----------
    confidence : float (n,)
        In [0, 1].
    correct : bool (n,)

    Returns
    -------
    Isotonic

    Raises
    ------
    ValueError
        Empty or unequal shapes, NaN, confidences outside [0, 1].

    Notes
    -----
    Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002.

    Examples
    --------
    The second and third are in the wrong order and share 1/2.

    >>> fit = fit_isotonic([0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1])
    >>> fit.upper.tolist(), fit.value.tolist()
    ([0.2, 0.6, 0.8], [0.0, 0.5, 1.0])
    """
    conf, hits = confidence_and_correct(confidence, correct)
    values, index = np.unique(conf, return_inverse=True)
    upper: list[float] = []
    steps: list[tuple[float, float]] = []
    for edge, n, right in zip(values, np.bincount(index), np.bincount(index, weights=hits), strict=True):
        upper.append(float(edge))
        steps.append((float(n), float(right)))
        # Two steps merge when the later one would not be above the earlier.
        while len(steps) > 1 and steps[-2][1] * steps[-1][0] >= steps[-1][1] * steps[-2][0]:
            (m, first), (k, second) = steps[-2:]
            steps[-2:] = [(m + k, first + second)]
            del upper[-2]
    return Isotonic(np.array(upper), np.array([right / n for n, right in steps]))
