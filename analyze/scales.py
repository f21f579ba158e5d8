"""The axes on which models fall on lines: probit, logit, or the numbers themselves.

A scale maps rates to the axis and back, says which rates had to be clipped, and how far the images behind a rate let
its place on the axis move. Pure; knows nothing of models or fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Transform: TypeAlias = Literal["probit", "logit", "linear"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Rates on an axis.

    z : float64 (n,), finite.
    clipped : bool (n,), rates that stood within half an image of 0 or 1 and were moved to half an image's distance.
    error : float64 (n,), standard error of z from the number of images; NaN where that is not known.
    """

    z: Floats
    clipped: NDArray[np.bool_]
    error: Floats


_FORWARD: dict[Transform, Callable[[Floats], Floats]] = {
    "probit": special.ndtri,
    "logit": special.logit,
    "linear": np.asarray,
}
_BACK: dict[Transform, Callable[[Floats], Floats]] = {
    "probit": special.ndtr,
    "logit": special.expit,
    "linear": np.asarray,
}


def _density(z: Floats, transform: Transform) -> Floats:
    if transform == "probit":
        return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
    if transform == "logit":
        rate = special.expit(z)
        return np.asarray(rate * (1 - rate))
    return np.ones_like(z)


def place(p: ArrayLike, n: ArrayLike, transform: Transform = "probit") -> Placed:
    """Put rates on an axis, clipped to [0.5 / n, 1 - 0.5 / n] where n is known.

    The standard error is that of a rate over n images, sqrt(p (1 - p) / n), divided by the slope of the way back.

    Parameters
    ----------
    p : float (n,)
        Rates in [0, 1]; for ``linear`` any finite numbers.
    n : float (n,)
        Images behind each rate; NaN where not known.
    transform : str

    Raises
    ------
    ValueError
        Unequal shapes; NaN; on probit and logit rates outside [0, 1], and rates of 0 or 1 whose n is not known.

    Notes
    -----
    Probit axes: Miller et al., Accuracy on the Line, ICML 2021. Logit is the default of the ImageNet testbed. Differs
    from their code, which drops rates of 0 and 1: those are clipped here, and counted.

    Examples
    --------
    0 of 20 images is put at 0.025, and the standard error is that of 0.025.

    >>> placed = place([0.0, 0.5], [20, 100])
    >>> placed.z.round(2).tolist(), placed.clipped.tolist(), placed.error.round(4).tolist()
    ([-1.96, 0.0], [True, False], [0.5973, 0.1253])
    """
    rate, images = np.asarray(p, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if rate.shape != images.shape or rate.ndim != 1:
        raise ValueError(f"p, n: expected one shape (n,), got {rate.shape} and {images.shape}")
    if not np.isfinite(rate).all():
        raise ValueError("p: expected finite numbers, got NaN or infinity")
    if (images < 1).any():
        raise ValueError(f"n: expected at least 1 image, got {images[images < 1][0]:g}")
    if transform == "linear":
        inside = (rate >= 0) & (rate <= 1)
        spread = np.sqrt(np.where(inside, rate * (1 - rate), np.nan) / images)
        return Placed(z=rate, clipped=np.zeros(rate.shape, bool), error=spread)
    if ((rate < 0) | (rate > 1)).any():
        raise ValueError(f"p: expected rates in [0, 1], got {rate[(rate < 0) | (rate > 1)][0]:g}")
    half = np.where(np.isnan(images), 0.0, 0.5 / images)
    moved = np.clip(rate, half, 1.0 - half)
    if ((moved == 0) | (moved == 1)).any():
        raise ValueError(
            "p: expected rates strictly between 0 and 1 where the number of images is not known, got 0 or 1"
        )
    z = _FORWARD[transform](moved)
    error = np.sqrt(moved * (1 - moved) / images) / _density(z, transform)
    return Placed(z=z, clipped=moved != rate, error=error)


def back(z: ArrayLike, transform: Transform = "probit") -> Floats:
    """Return the rates that stand at z.

    Examples
    --------
    >>> back([0.0], "probit").tolist(), back([0.0], "logit").tolist(), back([0.3], "linear").tolist()
    ([0.5], [0.5], [0.3])
    """
    return _BACK[transform](np.asarray(z, dtype=np.float64))


def back_slope(z: ArrayLike, transform: Transform = "probit") -> Floats:
    """Return how fast the rate grows with z: the density of the normal or logistic distribution, or 1.

    Examples
    --------
    >>> back_slope([0.0], "probit").round(4).tolist(), back_slope([0.0], "logit").tolist()
    ([0.3989], [0.25])
    """
    return _density(np.asarray(z, dtype=np.float64), transform)


def without_noise(x: Floats, error: Floats) -> Floats:
    """Values pulled to their mean by the share of their variance that is noise (errors in x).

    x_i - (error_i^2 / var x) (x_i - mean x): regression calibration. A line on noisy x is too flat by the factor
    1 - mean(error^2) / var(x); on these values it is not.

    Parameters
    ----------
    x, error : float64 (n,)
        Values and their standard errors; where an error is NaN the value stays.

    Raises
    ------
    ValueError
        The noise is as large as the spread of x.

    Notes
    -----
    Carroll et al., Measurement Error in Nonlinear Models, 2006, chapter 4.

    Examples
    --------
    Variance 1 and noise variance 0.25: a quarter of the way to the mean.

    >>> without_noise(np.array([-1.0, 1.0]), np.array([0.5, 0.5])).tolist()
    [-0.75, 0.75]
    """
    variance = float(x.var())
    noise = np.nan_to_num(error) ** 2
    if noise.mean() >= variance:
        raise ValueError(f"x: expected a spread above its noise, got variance {variance:g} and noise {noise.mean():g}")
    return np.asarray(x - np.minimum(noise / variance, 1.0) * (x - x.mean()))
