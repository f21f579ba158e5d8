"""Bins: where edges fall and what lands on them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analyze.binning import bin_index, bin_sums, equal_mass_edges, equal_width_edges


@given(st.integers(1, 40))
def test_a_value_on_an_edge_belongs_to_the_bin_below(bins: int) -> None:
    edges = equal_width_edges(bins)
    assert bin_index(edges[1:], edges).tolist() == list(range(bins))
    assert bin_index(np.nextafter(edges[:-1], 1), edges).tolist() == list(range(bins))
    assert bin_index(edges[:1], edges).tolist() == [0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 10))
def test_equal_mass_bins_never_part_equal_values_nor_stay_empty(values: list[int], bins: int) -> None:
    confidence = np.array(values) / 5
    edges = equal_mass_edges(confidence, bins)
    sums = bin_sums(confidence, np.zeros(len(values)), edges)
    assert len(sums.n) <= bins
    assert (sums.n > 0).all()
    assert sums.n.sum() == len(values)
    for value in set(values):
        assert len(set(sums.index[np.array(values) == value].tolist())) == 1


def test_sums_by_hand() -> None:
    sums = bin_sums(np.array([0.1, 0.2, 0.9]), np.array([0.0, 1.0, 1.0]), equal_width_edges(2))
    assert (sums.n.tolist(), sums.correct.tolist()) == ([2, 1], [1.0, 1.0])
    np.testing.assert_allclose(sums.confidence, [0.3, 0.9])
