"""Transforms under which accuracies of many models fall on lines. Pure; knows nothing of models or fits."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Scalar = float | np.floating[Any] | np.integer[Any]


@overload
def probit(p: Scalar, n: int | None = None) -> float: ...
@overload
def probit(p: NDArray[Any] | list[float], n: ArrayLike | None = None) -> NDArray[np.float64]: ...
def probit(p: ArrayLike, n: ArrayLike | None = None) -> float | NDArray[np.float64]:
    """Inverse of the standard normal distribution function, z with Phi(z) = p.

    With `n`, p is first clipped to [0.5 / n, 1 - 0.5 / n]: 0 or 1 over n images moves half an image away,
    so that a model with no hit stays on the plot at a finite place.

    Parameters
    ----------
    p : float or array
        Rates in [0, 1].
    n : int or array, optional
        Images behind each rate, at least 1. None: no clipping, and 0 and 1 raise.

    Returns
    -------
    float for a number, else float64 array; finite.

    Raises
    ------
    ValueError
        p outside [0, 1] or NaN; p of 0 or 1 without n; n below 1.

    Notes
    -----
    Probit scaling of accuracies: Miller et al., Accuracy on the Line, ICML 2021, section 2. Differs from their code,
    which drops rates of 0 and 1: those are clipped here.

    Examples
    --------
    >>> round(probit(0.975), 4)
    1.96
    >>> round(probit(0.0, n=20), 4)  # clipped to 0.025
    -1.96
    """
    rate = np.asarray(p, dtype=np.float64)
    if not ((rate >= 0) & (rate <= 1)).all():
        raise ValueError(f"p: expected rates in [0, 1], got {_first(rate, ~((rate >= 0) & (rate <= 1)))}")
    if n is None:
        if ((rate == 0) | (rate == 1)).any():
            raise ValueError(
                "p: expected rates strictly between 0 and 1, got 0 or 1; give n, the number of images, to clip them"
            )
    else:
        count = np.asarray(n, dtype=np.float64)
        if not (count >= 1).all():
            raise ValueError(f"n: expected at least 1 image, got {_first(count, ~(count >= 1))}")
        rate = np.clip(rate, 0.5 / count, 1.0 - 0.5 / count)
    return _like_input(special.ndtri(rate))


@overload
def inverse_probit(z: Scalar) -> float: ...
@overload
def inverse_probit(z: NDArray[Any] | list[float]) -> NDArray[np.float64]: ...
def inverse_probit(z: ArrayLike) -> float | NDArray[np.float64]:
    """Standard normal distribution function Phi(z), in [0, 1]: the rate whose probit is z.

    Parameters
    ----------
    z : float or array
        Any real numbers.

    Returns
    -------
    float for a number, else float64 array.

    Raises
    ------
    ValueError
        NaN.

    Examples
    --------
    >>> inverse_probit(0.0)
    0.5
    """
    value = np.asarray(z, dtype=np.float64)
    if np.isnan(value).any():
        raise ValueError("z: expected real numbers, got NaN")
    return _like_input(special.ndtr(value))


def _first(values: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    return float(values[wrong].flat[0])


def _like_input(values: Any) -> float | NDArray[np.float64]:
    return float(values) if np.ndim(values) == 0 else values
