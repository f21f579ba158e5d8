"""What an estimator gives, and what that says of a statement with a direction and a threshold.

Numbers in, an answer out. Knows no table and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from scipy import special

from manifests.claim import Direction

Verdict: TypeAlias = Literal["supported", "contradicted", "undecided", "no data"]
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An effect with its 95 % interval.

    effect, lo, hi : NaN ends where `flag` says why there is none.
    p : two-sided, of an effect of `null`.
    p_outside : of an effect beyond the margin that was asked about: the larger of two one-sided tests. NaN without.
    null : what no effect is: 0, or a share of one half.
    """

    effect: float
    lo: float = np.nan
    hi: float = np.nan
    p: float = np.nan
    p_outside: float = np.nan
    n_models: int
    n_families: int
    flag: str = ""
    null: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far an effect may be off by one cause: a variance and the degrees of freedom that it is known with."""

    variance: float
    freedom: float


def with_interval(bare: Estimate, spreads: Sequence[Spread], margin: float) -> Estimate:
    """Give an effect Student's interval and tests, for independent spreads (Welch and Satterthwaite).

    Parameters
    ----------
    bare
        Effect and counts; returned as it is when it has a flag.
    spreads
    margin
        Of the equivalence test; 0 for none.

    Notes
    -----
    Two one-sided tests: Schuirmann, A Comparison of the Two One-Sided Tests Procedure and the Power Approach, Journal
    of Pharmacokinetics and Biopharmaceutics 15, 1987. Differs from that procedure in the interval: it is the 95 % one,
    as everywhere here, and not the 90 % one whose inclusion would be the same as the tests.

    Examples
    --------
    Variance 1 with 4 degrees of freedom: t(0.975) = 2.776.

    >>> bare = Estimate(effect=3.0, n_models=5, n_families=5)
    >>> found = with_interval(bare, [Spread(variance=1.0, freedom=4)], margin=0.0)
    >>> round(found.lo, 3), round(found.hi, 3), round(found.p, 3)
    (0.224, 5.776, 0.04)
    """
    if bare.flag:
        return bare
    total = sum(spread.variance for spread in spreads)
    if not total > 0:
        inside = float(abs(bare.effect) >= margin) if margin else np.nan
        return replace(bare, lo=bare.effect, hi=bare.effect, p=float(bare.effect == 0), p_outside=inside)
    freedom = total**2 / sum(spread.variance**2 / spread.freedom for spread in spreads if spread.variance > 0)
    error = float(np.sqrt(total))
    half = float(special.stdtrit(freedom, 0.5 + LEVEL / 2)) * error

    def beyond(distance: float) -> float:
        return float(special.stdtr(freedom, -distance / error))

    return replace(
        bare,
        lo=bare.effect - half,
        hi=bare.effect + half,
        p=2 * beyond(abs(bare.effect)),
        p_outside=max(beyond(margin - bare.effect), beyond(margin + bare.effect)) if margin else np.nan,
    )


def too_few(counts: Sequence[int], fewest: int, what: str = "families") -> str:
    """Return the flag of sides that have fewer than they need, else "".

    Examples
    --------
    >>> too_few([4, 9], 5), too_few([5], 5)
    ('too few families: 4 against 9 of 5', '')
    """
    if min(counts) >= fewest:
        return ""
    return f"too few {what}: {' against '.join(map(str, counts))} of {fewest}"


def decide(found: Estimate, direction: Direction, threshold: float) -> tuple[Verdict, str]:
    """Say what an estimate makes of a statement, and why.

    With a direction: supported if the interval lies on the stated side of no effect and the effect reaches the
    threshold; contradicted if it lies on the other side. For ``zero``: supported if the interval lies within the
    threshold of no effect, contradicted if it lies beyond. Undecided in all other cases; the reason says so where the
    interval leaves out every effect of interest.

    Parameters
    ----------
    threshold
        Smallest effect of interest, at least 0; for ``zero`` the margin.

    Examples
    --------
    >>> found = Estimate(effect=0.3, lo=0.1, hi=0.5, n_models=9, n_families=9)
    >>> [decide(found, *asked)[0] for asked in (("positive", 0.2), ("positive", 0.4), ("negative", 0.0), ("zero", 0.6))]
    ['supported', 'undecided', 'contradicted', 'supported']
    """
    if found.flag or np.isnan(found.lo):
        return "undecided", found.flag or "no interval"
    lo, effect, hi = found.lo - found.null, found.effect - found.null, found.hi - found.null
    if direction == "zero":
        if -threshold < lo and hi < threshold:
            return "supported", f"the interval lies within {threshold:g} of no effect"
        if lo > threshold or hi < -threshold:
            return "contradicted", f"the interval lies beyond {threshold:g}"
        return "undecided", f"the interval holds effects on both sides of the margin {threshold:g}"
    if direction == "negative":
        lo, effect, hi = -hi, -effect, -lo
    if lo > 0:
        if effect >= threshold:
            return "supported", "the interval lies on the stated side"
        return "undecided", f"on the stated side, but smaller than {threshold:g}, the smallest effect of interest"
    if hi < 0:
        return "contradicted", "the interval lies on the other side"
    if hi < threshold:
        return "undecided", f"the interval holds zero, and no effect of {threshold:g}, the smallest of interest"
    return "undecided", "the interval holds zero, and effects of interest"
