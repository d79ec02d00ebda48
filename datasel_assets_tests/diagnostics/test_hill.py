"""Hill numbers, Renyi entropies and evenness against their closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.diagnostics.hill import evenness, hill, renyi

COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any)


@pytest.mark.parametrize("q", [0, 0.5, 1, 2, 7, math.inf])
def test_equal_shares_over_g_groups_have_hill_number_g(q):
    assert hill([3, 3, 0, 3, 3, 3], q) == pytest.approx(5)
    assert hill([42], q) == pytest.approx(1)
    assert hill([0, 0], q) == hill([], q) == 0


def test_hill_numbers_are_the_known_diversities():
    p = np.array([0.5, 0.3, 0.2])
    assert hill(p, 0) == pytest.approx(3)
    assert hill(p) == pytest.approx(math.exp(-(p * np.log(p)).sum()))
    assert hill(p, 2) == pytest.approx(1 / (p**2).sum())
    assert hill(p, math.inf) == pytest.approx(2)
    assert hill(p, 1 + 1e-7) == pytest.approx(hill(p), rel=1e-5)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), st.floats(0, 5), st.floats(0, 5))
def test_hill_numbers_fall_with_the_order_and_ignore_scale(counts, a, b):
    low, high = sorted((a, b))
    assert hill(counts, high) <= hill(counts, low) * (1 + 1e-6)
    assert hill(np.array(counts) * 7.5, a) == pytest.approx(hill(counts, a), rel=1e-6)


@pytest.mark.parametrize(("counts", "q"), [([1, -1], 1), ([1, np.nan], 1), ([1, 2], -0.1), ([1, 2], math.nan)])
def test_counts_that_are_none_are_refused(counts, q):
    with pytest.raises(ValueError, match="Hill number needs"):
        hill(counts, q)


@pytest.mark.parametrize("q", [1 - 2e-6, 1 - 1e-9, 1 + 1e-12, 1 + 5e-7, 1 + 2e-6])
def test_orders_next_to_one_lose_no_digits(q):
    p = np.array([0.7, 0.2, 0.1])
    mean = (p * np.log(p)).sum()
    variance = (p * (np.log(p) - mean) ** 2).sum()
    assert math.log(hill(p, q)) == pytest.approx(-mean + (1 - q) / 2 * variance, abs=1e-10)


def test_an_order_so_large_that_powers_vanish_still_gives_the_largest_share():
    assert hill([8, 1, 1], 1e4) == pytest.approx(1 / 0.8, rel=1e-3)
    assert hill(np.full(1000, 1e-3), 500) == pytest.approx(1000)


@given(COUNTS, st.floats(0, 5))
def test_the_renyi_entropy_is_the_logarithm_of_the_hill_number(counts, q):
    p = np.array([c for c in counts if c]) / sum(counts)
    expected = -(p * np.log(p)).sum() if abs(q - 1) < 1e-4 else np.log((p**q).sum()) / (1 - q)
    assert renyi(counts, q) == pytest.approx(expected, abs=2e-4 if abs(q - 1) < 1e-4 else 1e-8)
    assert math.isnan(renyi([0, 0]))


@given(COUNTS, st.integers(0, 5))
def test_evenness_is_entropy_over_its_bound(counts, empty):
    groups = sum(1 for c in counts if c) + empty
    if groups < 2:
        assert math.isnan(evenness(counts, groups))
        return
    found = evenness(counts, groups)
    assert 0 <= found <= 1
    assert found == pytest.approx(renyi(counts) / math.log(groups), abs=1e-12)


def test_evenness_is_one_for_equal_shares_and_zero_for_one_group():
    assert evenness([4, 4, 4], 3) == pytest.approx(1)
    assert evenness([9, 0, 0], 3) == 0
    assert math.isnan(evenness([0, 0], 2))
    with pytest.raises(ValueError, match="3 groups hold something, but there are 2"):
        evenness([1, 1, 1], 2)
