from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyze.figures.layout import columns


@given(count=st.integers(1, 300), row=st.integers(1, 50), most=st.integers(1, 12))
def test_columns_fit_and_no_line_is_wasted(count: int, row: int, most: int) -> None:
    across = columns(count, row, most)
    assert 1 <= across <= min(count, most)
    # Never less than half of what fits: a page of single panels beside empty space.
    assert 2 * across >= min(count, most)


@given(row=st.integers(1, 12), datasets=st.integers(1, 12))
def test_a_whole_test_set_fills_a_line_when_it_fits(row: int, datasets: int) -> None:
    assert columns(row * datasets, row, row) == row


@pytest.mark.parametrize("bad", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_counts_below_one_are_refused(bad: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        columns(*bad)
