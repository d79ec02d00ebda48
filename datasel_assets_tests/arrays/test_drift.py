"""Drift of token distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from datasel_assets.arrays.drift import drift

COUNTS = st.lists(st.integers(0, 1000), min_size=5, max_size=5).filter(any)


def test_equal_distributions_have_no_drift_and_disjoint_ones_have_one_bit():
    assert drift(np.array([1, 2, 3]), np.array([10, 20, 30])) == pytest.approx(0, abs=1e-12)
    assert drift(np.array([1, 2, 0]), np.array([0, 0, 3])) == pytest.approx(1)


@given(COUNTS, COUNTS)
def test_drift_is_the_square_of_the_distance_of_scipy(one, two):
    expected = jensenshannon(one, two, base=2) ** 2
    found = drift(np.array(one), np.array(two))
    assert found == pytest.approx(0 if np.isnan(expected) else expected, abs=1e-9)
    assert found == pytest.approx(drift(np.array(two), np.array(one)))
    assert 0 <= found <= 1


@pytest.mark.parametrize(("one", "two"), [([1, 2], [1, 2, 3]), ([0, 0], [1, 2]), ([[1]], [[1]])])
def test_counts_that_cannot_be_compared_are_refused(one, two):
    with pytest.raises(ValueError, match=r"tokenizer|texts"):
        drift(np.array(one), np.array(two))
