import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.arrays.token_batches import packed_cost, padded_cost, plan_packed, plan_padded

PLANS = [(plan_packed, packed_cost), (plan_padded, padded_cost)]


@pytest.mark.parametrize(("plan", "cost"), PLANS)
@given(lengths=st.lists(st.integers(0, 300), max_size=80), budget=st.integers(1, 600))
def test_every_row_with_tokens_is_in_one_batch_that_keeps_the_budget(plan, cost, lengths, budget):
    lengths = np.array(lengths, dtype=np.int32)
    batches = plan(lengths, budget)
    rows = np.concatenate(batches) if batches else np.empty(0, int)
    assert sorted(rows) == list(np.flatnonzero(lengths > 0))
    assert all(len(batch) == 1 or cost(lengths[batch]) <= budget for batch in batches)
    assert list(lengths[rows]) == sorted(lengths[lengths > 0], reverse=True)


def test_padding_stays_small_when_there_are_many_rows():
    lengths = np.random.default_rng(0).geometric(1 / 80, 5000).clip(1, 512)
    batches = plan_padded(lengths, 2048)
    assert 1 - lengths.sum() / sum(padded_cost(lengths[b]) for b in batches) < 0.03


def test_few_rows_of_different_length_share_one_batch():
    assert len(plan_padded(np.array([20, 30, 40]), 2048)) == 1


def test_rows_of_equal_length_keep_their_order():
    assert [list(b) for b in plan_packed(np.array([5, 9, 5, 5]), 100)] == [[1, 0, 2, 3]]


def test_packed_batches_are_filled_before_a_new_one_starts():
    assert [list(b) for b in plan_packed(np.array([4, 4, 4, 4, 4]), 8)] == [[0, 1], [2, 3], [4]]
