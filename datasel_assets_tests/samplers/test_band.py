"""Bands of scores: which rows lie inside, and in which order they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.samplers import Candidates
from datasel_assets.samplers.band import Params, sample


def rows(scores, budget=None, seed=0, **raw) -> list[int]:
    pool = Candidates(np.array([f"{i:04d}" for i in range(len(scores))]), scores=np.asarray(scores, float))
    return sample(pool, len(scores) if budget is None else budget, Params(by="x", **raw), seed).order.tolist()


def test_the_lower_bound_belongs_to_the_band_and_the_upper_does_not():
    assert rows([1, 2, 3, 4], low=2, high=4, first="low") == [1, 2]
    assert rows([1, 2, 3, 4], low=2, first="high") == [3, 2, 1]
    assert rows([1, 2, np.nan, 4], high=2) == [0]
    assert rows([1.0, 2.0], low=5) == []


def test_percentiles_go_by_rank_so_that_ties_cannot_change_the_count():
    assert rows([7] * 8, low=0.25, high=0.75, unit="percentile", first="low") == [2, 3, 4, 5]
    assert len(rows(np.arange(100), low=0, high=0.29, unit="percentile")) == 29


@given(st.integers(0, 60), st.lists(st.integers(0, 100), min_size=4, max_size=4, unique=True), st.integers(0, 9))
def test_bands_by_percentile_have_their_share_are_nested_and_do_not_overlap(n, cuts, seed):
    a, b, c, d = sorted(cuts)
    scores = np.random.default_rng(seed).integers(0, 7, n)

    def between(low: int, high: int) -> set[int]:
        found = rows(scores, low=low / 100, high=high / 100, unit="percentile")
        assert len(found) == n * high // 100 - n * low // 100
        return set(found)

    assert between(b, c) <= between(a, d)
    assert not between(a, b) & between(b, c)
    assert between(a, b) | between(b, c) == between(a, c)


def test_the_middle_of_the_band_comes_first():
    scores = [0.0, 1.0, 4.0, 5.5, 9.0, 10.0, 20.0]
    assert rows(scores, low=0, high=10, first="middle") == [3, 2, 1, 4, 0]
    assert rows(scores, low=0, high=1, unit="percentile", first="middle") == [3, 2, 4, 1, 5, 0, 6]


def test_the_random_order_depends_on_the_seed_alone():
    scores = np.arange(50.0)
    assert rows(scores, 10, 1, low=5) == rows(scores, 50, 1, low=5)[:10]
    assert rows(scores, 10, 1, low=5) != rows(scores, 10, 2, low=5)
    assert min(rows(scores, low=5)) == 5


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "give 'low', 'high' or both"),
        ({"low": 2, "high": 2}, "is not below"),
        ({"low": 25, "unit": "percentile"}, "shares from 0 to 1"),
    ],
)
def test_a_band_that_cannot_be_is_refused(raw, message):
    with pytest.raises(ValueError, match=message):
        Params(by="x", **raw)


@given(st.integers(1, 400), st.integers(1, 50))
def test_any_first_rows_of_an_even_band_lie_evenly_over_its_ranks(n: int, budget: int):
    order = rows(np.arange(n), low=0, first="even")
    assert sorted(order) == list(range(n))
    chosen = rows(np.arange(n), budget, low=0, first="even")
    assert chosen == order[:budget]
    # No gap is longer than twice what evenly spaced rows would leave, up to the rounding of ranks.
    gaps = np.diff(np.sort([0, *chosen, n]))
    assert gaps.max() <= 2 * n / min(budget, n) + 1
