"""How well a score tells in-distribution (ID) from out-of-distribution (OOD) images: AUROC, AUPR, FPR at a TPR.

Every score is oriented so that larger means more in-distribution. Everything is exact, by sorting; nothing goes
through a grid of thresholds. Knows nothing of where scores come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyze.checks import float_array, open_fraction, require_finite

Rule = Literal["exact", "hendrycks", "ninco", "vim", "openood"]
RULES: tuple[Rule, ...] = get_args(Rule)
# Guards products such as 0.95 n against landing a rounding error beside the whole number meant.
ROUNDING = 1e-9


def sorted_scores(scores: ArrayLike, name: str) -> NDArray[Any]:
    """Scores in rising order, refused if there are none or any is not finite."""
    vector = np.sort(float_array(scores, name, 1))
    # NaN sorts last and infinities to the ends, so two comparisons replace a scan; the slow path only words the error.
    if not np.isfinite(vector[[0, -1]]).all():
        require_finite(np.asarray(scores), name)
    return vector


def auroc(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Area under the ROC curve: P(ID score > OOD score) + P(equal) / 2 over all pairs (Mann-Whitney, average ranks).

    Parameters
    ----------
    id_scores : float (n,)
    ood_scores : float (m,)
        Larger means more in-distribution.

    Returns
    -------
    float in [0, 1]; 1/2 is chance. The same whichever class is called positive, if the score is negated with it.

    Raises
    ------
    ValueError
        An empty side, a wrong shape, NaN or infinity.

    Notes
    -----
    Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 143, 1982.

    Examples
    --------
    Of six pairs, 4 are in order and 1 is tied.

    >>> auroc([2.0, 3.0, 4.0], [1.0, 3.0])
    0.75
    """
    inside, outside = sorted_scores(id_scores, "id_scores"), sorted_scores(ood_scores, "ood_scores")
    # Each ID score beats the OOD scores left of it; both insertion points together count ties as one half of two.
    below = np.searchsorted(outside, inside, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(outside, inside, side="right").sum(dtype=np.int64)
    return int(below + not_above) / (2 * len(inside) * len(outside))


def aupr(id_scores: ArrayLike, ood_scores: ArrayLike, positive: Literal["id", "ood"] = "id") -> float:
    """Area under the precision-recall curve as average precision: sum of (R_k - R_{k-1}) P_k over distinct thresholds.

    Parameters
    ----------
    id_scores : float (n,)
    ood_scores : float (m,)
        Larger means more in-distribution.
    positive : "id" or "ood"
        The class to find. For "ood" the scores are negated. The headline of ImageNet-O is "ood".

    Returns
    -------
    float in (0, 1]; chance is the share of the positive class.

    Raises
    ------
    ValueError
        An empty side, a wrong shape, NaN or infinity, another value of `positive`.

    Notes
    -----
    The step-wise sum of scikit-learn's `average_precision_score`, not the trapezoid, which is too optimistic (Davis and
    Goadrich, ICML 2006).

    Examples
    --------
    Ranked 4 (ID), 3 (OOD), 2 (ID): precision 1 at recall 1/2, then 2/3 at recall 1.

    >>> round(aupr([4.0, 2.0], [3.0]), 6)
    0.833333
    """
    if positive not in ("id", "ood"):
        raise ValueError(f'positive: expected "id" or "ood", got {positive!r}')
    inside, outside = sorted_scores(id_scores, "id_scores"), sorted_scores(ood_scores, "ood_scores")
    hits, others = (inside, outside) if positive == "id" else (-outside[::-1], -inside[::-1])
    thresholds, counts = np.unique(hits, return_counts=True)
    true_positives = np.cumsum(counts[::-1])[::-1]
    false_positives = len(others) - np.searchsorted(others, thresholds, side="left")
    return float((counts * (true_positives / (true_positives + false_positives))).sum() / len(hits))


def fpr_at_tpr(id_scores: ArrayLike, ood_scores: ArrayLike, tpr: float = 0.95, rule: Rule = "exact") -> float:
    """False positive rate where the true positive rate reaches `tpr`, under one of five rules found in public code.

    With n ID and m OOD scores, and the share of OOD scores >= t as the false positive rate:

    * ``exact``: t is the largest threshold with share(ID >= t) >= tpr, that is the ceil(tpr n)-th largest ID score.
    * ``vim``: t is the floor(tpr n)-th largest ID score.
    * ``ninco``: t is the linearly interpolated (1 - tpr) quantile of the ID scores.
    * ``hendrycks``: the ROC point whose recall is nearest tpr, on either side (equally near within 1e-12: the smaller);
      among points of equal recall the worst, except at recall 1, where the curve stops at the first. Also in MCM.
    * ``openood``: OOD is the positive class: the share of ID scores rejected when the share tpr of OOD is caught, i.e.
      the share of ID <= the ceil(tpr m)-th smallest OOD score (OpenOOD v1.5).

    Parameters
    ----------
    id_scores : float (n,)
    ood_scores : float (m,)
        Larger means more in-distribution. Half-precision scores tie and move every rule: keep float32 or wider.
    tpr : float
        Strictly between 0 and 1.
    rule : str

    Returns
    -------
    float in [0, 1]; smaller is better.

    Raises
    ------
    ValueError
        An empty side, a wrong shape, NaN or infinity, an unknown rule, tpr outside (0, 1).

    Notes
    -----
    Hendrycks and Gimpel, ICLR 2017; Ming et al. (MCM), NeurIPS 2022; Bitterwolf et al. (NINCO), ICML 2023; Wang et al.
    (ViM), CVPR 2022; Yang et al. (OpenOOD), NeurIPS 2022, and its issues 177 and 206 for the swapped classes.

    Examples
    --------
    ID 1 to 19: the 19th largest, 1, is needed for 95 %; 9 of the 10 OOD scores 0.5, 1.5, ..., 9.5 are above it.

    >>> fpr_at_tpr(np.arange(1, 20), np.arange(10) + 0.5)
    0.9
    >>> fpr_at_tpr(np.arange(1, 20), np.arange(10) + 0.5, rule="vim")  # the 18th largest, 2
    0.8
    """
    open_fraction(tpr, "tpr")
    if rule not in RULES:
        raise ValueError(f"rule: expected one of {', '.join(RULES)}, got {rule!r}")
    return _FPR_RULES[rule](sorted_scores(id_scores, "id_scores"), sorted_scores(ood_scores, "ood_scores"), tpr)


def share_at_least(ordered: NDArray[Any], threshold: Any) -> float:
    """Share of sorted scores >= threshold."""
    return float((len(ordered) - np.searchsorted(ordered, threshold, side="left")) / len(ordered))


def share_above(ordered: NDArray[Any], threshold: Any) -> float:
    """Share of sorted scores > threshold."""
    return float((len(ordered) - np.searchsorted(ordered, threshold, side="right")) / len(ordered))


def exact_rank(n: int, tpr: float) -> int:
    """How many of n scores must pass for a share of at least tpr."""
    return max(1, int(np.ceil(tpr * n - ROUNDING)))


def floor_rank(n: int, tpr: float) -> int:
    """Largest number of n scores whose share does not exceed tpr, but at least 1, there being no 0-th score."""
    return max(1, int(np.floor(tpr * n + ROUNDING)))


def nearest_rank(inside: NDArray[Any], outside: NDArray[Any], tpr: float) -> int:
    """How many ID scores pass at the ROC point with recall nearest tpr (rule hendrycks)."""
    n = len(inside)
    passing = n - np.searchsorted(inside, np.unique(inside), side="left")
    if outside[-1] > inside[-1]:
        passing = np.append(passing, 0)
    distance = np.abs(passing / n - tpr)
    return int(passing[distance <= distance.min() + 1e-12].min())


def _exact(inside: NDArray[Any], outside: NDArray[Any], tpr: float) -> float:
    return share_at_least(outside, inside[-exact_rank(len(inside), tpr)])


def _vim(inside: NDArray[Any], outside: NDArray[Any], tpr: float) -> float:
    return share_at_least(outside, inside[-floor_rank(len(inside), tpr)])


def _ninco(inside: NDArray[Any], outside: NDArray[Any], tpr: float) -> float:
    # 1 - 0.95 is not the float 0.05 that the source writes; rounding restores it.
    return share_at_least(outside, np.quantile(inside.astype(np.float64), round(1.0 - tpr, 12)))


def _hendrycks(inside: NDArray[Any], outside: NDArray[Any], tpr: float) -> float:
    passing = nearest_rank(inside, outside, tpr)
    if passing == len(inside):
        return share_at_least(outside, inside[0])
    # The worst point of this recall lies just above the first ID score that does not pass.
    return share_above(outside, inside[-passing - 1])


def _openood(inside: NDArray[Any], outside: NDArray[Any], tpr: float) -> float:
    threshold = outside[exact_rank(len(outside), tpr) - 1]
    return float(np.searchsorted(inside, threshold, side="right") / len(inside))


_FPR_RULES: dict[Rule, Callable[[NDArray[Any], NDArray[Any], float], float]] = {
    "exact": _exact,
    "hendrycks": _hendrycks,
    "ninco": _ninco,
    "vim": _vim,
    "openood": _openood,
}
