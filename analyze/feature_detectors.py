"""The detectors that look at features, fitted together on one set of images. Knows arrays only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .checks import Matrix
from .metrics.ood_features import Mahalanobis, cosine_to_mean, fit_mahalanobis, fit_neighbours, moments
from .metrics.ood_scores import energy
from .metrics.ood_weights import Weights, activation_limit, fdbd, fit_nnguide, fit_vim, react

T = TypeVar("T")

NEIGHBOURS = 50
"""Which neighbour counts for `knn` unless another is asked for, as OpenOOD's default."""

NEED_WEIGHTS = ("vim", "react", "fdbd")

Scorer = Callable[[Matrix, Matrix | None], NDArray[np.float64]]
"""Features and logits of some images -> one number an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSet:
    """Features of in-distribution images that detectors are fitted on.

    features
        `(n, d)`.
    labels
        `(n,)` class of each, -1 where it has none.
    energies, max_logits
        `(n,)` of their logits, where those are known.
    """

    features: Matrix
    labels: NDArray[np.int64]
    energies: NDArray[np.float64] | None = None
    max_logits: NDArray[np.float64] | None = None


@dataclass(slots=True)
class FeatureDetectors:
    """Fitted detectors by name, and why others could not be fitted."""

    scorers: dict[str, Scorer] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def scores(self, features: Matrix, logits: Matrix | None) -> Mapping[str, NDArray[np.float64]]:
        """Return the scores of some images under every detector."""
        return {name: score(features, logits) for name, score in self.scorers.items()}


def fit_feature_detectors(given: FitSet, weights: Weights | None, k: int = NEIGHBOURS) -> FeatureDetectors:
    """Fit every detector that the data allow.

    Parameters
    ----------
    weights
        The classifier's last layer, where it is known.
    k
        Neighbour of `knn`.
    """
    fitted = FeatureDetectors()

    def fit(name: str, make: Callable[[], Scorer]) -> None:
        try:
            fitted.scorers[name] = make()
        except ValueError as error:
            fitted.refused[name] = str(error)

    labelled = given.labels >= 0

    features, labels = given.features[labelled], given.labels[labelled]
    gaussians: Mahalanobis | None = None
    try:
        gaussians = fit_mahalanobis(features, labels)
        fitted.scorers |= _by_distance(gaussians)
    except ValueError as error:
        fitted.refused |= dict.fromkeys(("mahalanobis", "relative_mahalanobis"), str(error))

    def to_means() -> Scorer:
        means = moments(features, labels).class_means if gaussians is None else gaussians.class_means
        return lambda features, _: cosine_to_mean(features, means)

    def knn() -> Scorer:
        found = fit_neighbours(given.features, k)
        return lambda features, _: found.scores(features)

    def nnguide() -> Scorer:
        found = fit_nnguide(given.features, _known(given.energies))
        return lambda features, logits: found.scores(features, energy(_known(logits)))

    def vim() -> Scorer:
        found = fit_vim(given.features, _known(given.max_logits), _known(weights))
        return lambda features, logits: found.scores(features, energy(_known(logits)))

    def rectified() -> Scorer:
        layer, limit = _known(weights), activation_limit(given.features)
        return lambda features, _: react(features, layer, limit)

    def boundaries() -> Scorer:
        layer, mean = _known(weights), given.features.mean(axis=0, dtype=np.float64)
        return lambda features, logits: fdbd(features, _known(logits), layer.weight, mean)

    fit("cosine_to_mean", to_means)
    fit("knn", knn)
    if given.energies is not None:
        fit("nnguide", nnguide)
    if weights is not None and given.max_logits is not None:
        fit("vim", vim)
        fit("react", rectified)
        fit("fdbd", boundaries)
    return fitted


def _by_distance(found: Mahalanobis) -> dict[str, Scorer]:
    return {
        "mahalanobis": lambda features, _: found.scores(features),
        "relative_mahalanobis": lambda features, _: found.relative_scores(features),
    }


def _known(value: T | None) -> T:
    if value is None:
        raise ValueError("the classifier's logits or weights are not here")
    return value
