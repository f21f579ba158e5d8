"""Feature-based scores against scikit-learn and the formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from analyze.feature_detectors import FitSet, fit_feature_detectors
from analyze.metrics.ood_features import cosine_to_mean, fit_mahalanobis, fit_neighbours, moments
from analyze.metrics.ood_weights import Weights, activation_limit, fdbd, fit_nnguide, fit_vim, react

RNG = np.random.default_rng(0)
TRAIN = (RNG.standard_normal((1500, 6)) * [3, 2, 1, 1, 0.5, 0.2] + 10).astype(np.float32)
LABELS = RNG.integers(0, 4, 1500)
TRAIN += LABELS[:, None].astype(np.float32) * 2
TEST = (RNG.standard_normal((40, 6)) * 3 + 12).astype(np.float32)
WEIGHTS = Weights(RNG.standard_normal((6, 5)), RNG.standard_normal(5))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_moments_equal_scikit_learn() -> None:
    found = moments(TRAIN, LABELS)
    means = np.stack([TRAIN[k == LABELS].mean(axis=0, dtype=float) for k in range(4)])
    assert found.class_means == pytest.approx(means, rel=1e-9)
    total = EmpiricalCovariance().fit(TRAIN.astype(float))
    assert found.total == pytest.approx(total.covariance_, abs=1e-9)
    within = EmpiricalCovariance(assume_centered=True).fit(TRAIN - means[LABELS])
    assert found.within == pytest.approx(within.covariance_, abs=1e-9)


def test_mahalanobis_equals_scikit_learn() -> None:
    means = moments(TRAIN, LABELS).class_means
    shared = EmpiricalCovariance(assume_centered=True).fit(TRAIN - means[LABELS])
    naive = -np.stack([shared.mahalanobis(TEST - mean) for mean in means]).min(axis=0)
    fitted = fit_mahalanobis(TRAIN, LABELS)
    assert fitted.scores(TEST) == pytest.approx(naive, rel=1e-8)
    background = EmpiricalCovariance().fit(TRAIN.astype(float)).mahalanobis(TEST)
    assert fitted.relative_scores(TEST) == pytest.approx(naive + background, rel=1e-7)


def test_mahalanobis_does_not_depend_on_the_axes() -> None:
    turn = np.linalg.qr(RNG.standard_normal((6, 6)))[0] * 7
    plain, turned = fit_mahalanobis(TRAIN, LABELS), fit_mahalanobis(TRAIN @ turn, LABELS)
    assert turned.scores(TEST @ turn) == pytest.approx(plain.scores(TEST), rel=1e-5)


def test_fewer_images_than_dimensions_have_a_distance_in_their_own_space() -> None:
    few = fit_mahalanobis(RNG.standard_normal((5, 20)), [0, 0, 1, 1, 1])
    assert np.isfinite(few.scores(RNG.standard_normal((3, 20)))).all()
    assert few.whiten.shape[1] == 3


def test_one_image_a_class_has_no_distances_but_has_means() -> None:
    # Sums that cancel leave a little noise; whitened, it would pass for a covariance.
    features = (RNG.standard_normal((40, 6)) * 1e3 + 1e5).astype(np.float32)
    for labels in (np.arange(40), np.repeat(np.arange(20), 2)):
        given = np.repeat(features[::2], 2, axis=0) if labels[1] == 0 else features
        with pytest.raises(ValueError, match=f"expected variance within a class, got none in {labels[-1] + 1} class"):
            fit_mahalanobis(given, labels)
    fitted = fit_feature_detectors(FitSet(features=features, labels=np.arange(40)), None, k=3)
    assert set(fitted.scorers) == {"cosine_to_mean", "knn"}
    assert set(fitted.refused) == {"mahalanobis", "relative_mahalanobis"}


@pytest.mark.parametrize("k", [1, 50, 1500])
def test_neighbours_equal_scikit_learn(k: int) -> None:
    distance = NearestNeighbors(n_neighbors=k).fit(unit(TRAIN)).kneighbors(unit(TEST))[0][:, -1]
    assert fit_neighbours(TRAIN, k).scores(TEST) == pytest.approx(-distance, abs=1e-3)


def test_cosine_to_mean_is_the_formula() -> None:
    means = moments(TRAIN, LABELS).class_means
    assert cosine_to_mean(TEST, means) == pytest.approx((unit(TEST) @ unit(means).T).max(axis=1), abs=1e-6)


def test_vim_is_its_code_written_out() -> None:
    w, b = WEIGHTS.weight.T, WEIGHTS.bias
    logits, test = TRAIN @ w.T + b, TEST @ w.T + b
    u = -np.linalg.pinv(w) @ b
    values, vectors = np.linalg.eig(EmpiricalCovariance(assume_centered=True).fit(TRAIN - u).covariance_)
    rest = vectors[:, np.argsort(-values)][:, 3:]
    alpha = logits.max(axis=1).mean() / np.linalg.norm((TRAIN - u) @ rest, axis=1).mean()
    naive = logsumexp(test, axis=1) - alpha * np.linalg.norm((TEST - u) @ rest, axis=1)
    fitted = fit_vim(TRAIN, logits.max(axis=1), WEIGHTS)
    assert fitted.scores(TEST, logsumexp(test, axis=1)) == pytest.approx(naive, rel=1e-6)


def test_react_is_the_energy_of_cut_features() -> None:
    limit = activation_limit(TRAIN, 0.9)
    assert limit == pytest.approx(np.quantile(TRAIN, 0.9))
    naive = logsumexp(np.minimum(TEST, limit) @ WEIGHTS.weight + WEIGHTS.bias, axis=1)
    assert react(TEST, WEIGHTS, limit) == pytest.approx(naive, rel=1e-6)
    # A limit that cuts nothing leaves the energy.
    assert react(TEST, WEIGHTS, 1e9) == pytest.approx(logsumexp(WEIGHTS.logits(TEST), axis=1), rel=1e-9)


def test_nnguide_is_the_formula() -> None:
    energies, test = logsumexp(WEIGHTS.logits(TRAIN), axis=1), logsumexp(WEIGHTS.logits(TEST), axis=1)
    guide = np.sort(unit(TEST) @ (unit(TRAIN) * energies[:, None]).T, axis=1)[:, -10:].mean(axis=1)
    assert fit_nnguide(TRAIN, energies).scores(TEST, test) == pytest.approx(test * guide, rel=1e-5)


def test_fdbd_is_the_formula() -> None:
    logits, mean = WEIGHTS.logits(TEST.astype(float)), TRAIN.mean(axis=0, dtype=float)
    naive = []
    for feature, z in zip(TEST, logits, strict=True):
        best = int(z.argmax())
        gaps = [
            (z[best] - z[c]) / np.linalg.norm(WEIGHTS.weight[:, best] - WEIGHTS.weight[:, c])
            for c in range(5)
            if c != best
        ]
        naive.append(np.mean(gaps) / np.linalg.norm(feature - mean))
    assert fdbd(TEST, logits, WEIGHTS.weight, mean) == pytest.approx(np.array(naive), rel=1e-9)


def test_refuses() -> None:
    with pytest.raises(ValueError, match="NaN"):
        moments([[np.nan]], [0])
    with pytest.raises(ValueError, match="6 columns"):
        fit_mahalanobis(TRAIN, LABELS).scores(TEST[:, :3])
    with pytest.raises(ValueError, match="k: expected 1 to 2"):
        fit_neighbours([[1.0], [2.0]], 3)
    with pytest.raises(ValueError, match="direction"):
        fit_neighbours([[0.0], [2.0]], 1)
    with pytest.raises(ValueError, match="principal"):
        fit_vim(TRAIN, np.ones(1500), WEIGHTS, principal=6)
    with pytest.raises(ValueError, match="1500, one a feature"):
        fit_nnguide(TRAIN, np.ones(3))
    with pytest.raises(ValueError, match="two different classes"):
        fdbd([[1.0]], [[1.0, 1.0]], np.ones((1, 2)), np.zeros(1))
