"""Scores that say how in-distribution an image looks, from its logits or its cosines: larger is more in-distribution.

Each takes a matrix and gives one float64 a row, in row blocks with flat memory. Knows nothing of models or detectors'
names; which score a model gets is the study's decision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import float_array, logit_matrix, require_finite

from .softmax import GEN_GAMMA, GEN_TOP, softmax_blocks

# Cosines of unit vectors stored in half precision may end this far above 1.
COSINE_SLACK = 1e-2


def msp(logits: ArrayLike) -> NDArray[np.float64]:
    """Maximum softmax probability, max_k softmax(z)_k, in [1/c, 1].

    Parameters
    ----------
    logits : float (n, c)

    Returns
    -------
    float64 (n,)

    Raises
    ------
    ValueError
        A wrong or empty shape, NaN or infinity (with row numbers).

    Notes
    -----
    Hendrycks and Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution Examples, ICLR 2017.

    Examples
    --------
    >>> msp(np.log([[3.0, 1.0]])).round(12).tolist()
    [0.75]
    """
    matrix = logit_matrix(logits)
    return np.concatenate([part.confidence() for part in softmax_blocks(matrix)])


def max_logit(logits: ArrayLike) -> NDArray[np.float64]:
    """Largest logit of each row. Parameters, returns and errors as in `msp`.

    Notes
    -----
    Hendrycks et al., Scaling Out-of-Distribution Detection for Real-World Settings, ICML 2022.

    Examples
    --------
    >>> max_logit([[3.0, 1.0], [-2.0, -1.0]]).tolist()
    [3.0, -1.0]
    """
    matrix = logit_matrix(logits)
    return np.concatenate([part.top_logit[:, 0] for part in softmax_blocks(matrix)])


def energy(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Negative free energy, T log sum_k exp(z_k / T). Parameters, returns and errors as in `msp`.

    Notes
    -----
    Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020, equation 4 (there with the opposite sign).

    Examples
    --------
    >>> energy(np.log([[3.0, 1.0]])).round(6).tolist()  # log 4
    [1.386294]
    """
    matrix = logit_matrix(logits)
    return temperature * np.concatenate(
        [part.log_sum_exp() for part in softmax_blocks(matrix, temperature=temperature)]
    )


def entropy(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Minus the entropy of softmax(z / T), sum_k p_k log p_k, in [-log c, 0] nats. Parameters and errors as in `msp`.

    Notes
    -----
    Among the scores of NINCO (Bitterwolf et al., ICML 2023).

    Examples
    --------
    >>> entropy([[0.0, 0.0]]).round(6).tolist()  # -log 2
    [-0.693147]
    """
    matrix = logit_matrix(logits)
    # Rounding could leave the entropy of a near one-hot row a hair below 0.
    return -np.concatenate(
        [np.maximum(part.entropy(), 0.0) for part in softmax_blocks(matrix, temperature=temperature)]
    )


def gen(logits: ArrayLike, gamma: float = GEN_GAMMA, top: int = GEN_TOP) -> NDArray[np.float64]:
    """Generalized entropy, -sum over the `top` largest probabilities of p^gamma (1 - p)^gamma, at most 0.

    With fewer than `top` classes all are summed. 1 - p of the largest class is taken as the sum of the others, since at
    gamma = 0.1 even 1 - p = 1e-16 weighs 0.025.

    Parameters
    ----------
    logits : float (n, c)
    gamma : float
        Strictly between 0 and 1.
    top : int
        At least 1.

    Returns
    -------
    float64 (n,)

    Raises
    ------
    ValueError
        A wrong or empty shape, NaN or infinity (with row numbers), gamma or top out of range.

    Notes
    -----
    Liu, Lochman and Zach, GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection, CVPR 2023, equation
    7; gamma 0.1 and the top 100 of 1,000 classes as there.

    Examples
    --------
    Two classes at 1/2: -2 (1/4)^gamma, which is -1 at gamma 1/2.

    >>> gen([[0.0, 0.0]], gamma=0.5).tolist()
    [-1.0]
    """
    if not 0 < gamma < 1:
        raise ValueError(f"gamma: expected a number strictly between 0 and 1, got {gamma!r}")
    if top < 1:
        raise ValueError(f"top: expected at least 1 class, got {top}")
    matrix = logit_matrix(logits)
    return -np.concatenate([part.generalized_entropy(gamma, top) for part in softmax_blocks(matrix)])


def mcm(cosines: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Maximum concept matching: max_k softmax(cosine / T)_k, in [1/c, 1].

    At T = 1 the softmax over 1,000 cosines is nearly flat (about 0.001), so images differ in the fourth digit and
    later: computed and returned in float64. At T = 1 / logit scale it equals `msp` of the logits.

    Parameters
    ----------
    cosines : float (n, c)
        Unit image embeddings times unit text embeddings, in [-1, 1]; not multiplied by the logit scale.
    temperature : float

    Returns
    -------
    float64 (n,)

    Raises
    ------
    ValueError
        A wrong or empty shape, NaN or infinity (with row numbers), values that cannot be cosines.

    Notes
    -----
    Ming et al., Delving into Out-of-Distribution Detection with Vision-Language Representations, NeurIPS 2022,
    equation 1; T = 1 and no logit scale as in their code.

    Examples
    --------
    >>> mcm([[0.3, 0.3, 0.3, 0.3]]).tolist()
    [0.25]
    """
    matrix = float_array(cosines, "cosines", 2)
    highest, lowest = float(matrix.max()), float(matrix.min())
    if max(highest, -lowest) > 1 + COSINE_SLACK:
        raise ValueError(
            f"cosines: expected values in [-1, 1], got {lowest:g} to {highest:g}; "
            "logits become cosines when divided by the model's logit scale"
        )
    return np.concatenate([part.confidence() for part in softmax_blocks(matrix, temperature=temperature)])


def max_cosine(cosines: ArrayLike) -> NDArray[np.float64]:
    """Largest cosine of each row, in [-1, 1]: the maximum logit before the logit scale.

    Parameters, returns and errors as in `mcm`. Ranks as `max_logit` does wherever all images share the logit scale.

    Examples
    --------
    >>> max_cosine([[0.25, 0.5], [-0.5, -0.25]]).tolist()
    [0.5, -0.25]
    """
    matrix = float_array(cosines, "cosines", 2)
    require_finite(matrix, "cosines")
    return np.asarray(matrix.max(axis=1), np.float64)
