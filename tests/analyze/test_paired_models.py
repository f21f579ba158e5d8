from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from analyze.paired_models import paired_difference

COUNT = st.integers(0, 60)


@given(COUNT, COUNT, COUNT, COUNT)
def test_p_is_the_exact_mcnemar_test_and_the_interval_holds_the_difference(a: int, b: int, c: int, d: int) -> None:
    if a + b + c + d == 0:
        return
    found = paired_difference(a, b, c, d)
    assert float(found.p) == pytest.approx(mcnemar([[a, b], [c, d]], exact=True).pvalue if b + c else 1.0)
    assert -1 - 1e-12 <= float(found.lo) <= float(found.difference) + 1e-12
    assert float(found.difference) <= float(found.hi) + 1e-12 <= 1 + 1e-9


@given(COUNT, COUNT, COUNT, st.integers(1, 60))
def test_the_other_way_round_it_is_the_same_with_the_other_sign(a: int, b: int, c: int, d: int) -> None:
    there, back = paired_difference(a, b, c, d), paired_difference(a, c, b, d)
    assert float(there.lo) == pytest.approx(-float(back.hi))
    assert float(there.difference) == -float(back.difference)
    assert float(there.p) == pytest.approx(float(back.p))


def test_the_interval_agrees_with_a_paired_bootstrap() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([600, 120, 70, 210])
    draws = rng.multinomial(1000, counts / 1000, size=20_000)
    lo, hi = np.quantile((draws[:, 1] - draws[:, 2]) / 1000, (0.025, 0.975))
    found = paired_difference(*counts)
    assert float(found.lo) == pytest.approx(lo, abs=0.002)
    assert float(found.hi) == pytest.approx(hi, abs=0.002)


def test_many_pairs_at_once_and_refusals() -> None:
    assert paired_difference([1, 2], [3, 4], [5, 6], [7, 8]).difference.shape == (2,)
    for wrong in ((0, 0, 0, 0), (-1, 1, 1, 1), ([1, 2], 1, 1, 1)):
        with pytest.raises(ValueError, match="expected"):
            paired_difference(*wrong)
