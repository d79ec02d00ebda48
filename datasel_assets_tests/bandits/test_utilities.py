import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.bandits.utilities import Utilities

LOSSES = st.lists(st.floats(0.1, 9), min_size=1, max_size=6)


@given(LOSSES)
@settings(max_examples=30, deadline=None)
def test_without_history_and_expected_change_a_utility_is_the_last_loss(losses: list[float]):
    found = Utilities(np.array([7.0, 1.0]), history=0, least_fall=None)
    for loss in losses:
        found.update(np.array([0]), np.array([loss]), np.zeros(1))
    assert found.values.tolist() == [losses[-1], 1.0]


@given(LOSSES)
@settings(max_examples=30, deadline=None)
def test_with_all_weight_on_history_no_utility_ever_changes(losses: list[float]):
    found = Utilities(np.array([7.0, 1.0]), history=1, least_fall=None)
    for loss in losses:
        assert found.update(np.array([0]), np.array([loss]), np.full(1, -0.5)).tolist() == [0]
    assert found.values.tolist() == [7.0, 1.0]


def test_history_weighs_what_was_thought_before_and_not_what_was_read():
    found = Utilities(np.array([4.0, 2.0]), history=0.1)
    removed = found.update(np.array([0]), np.array([3.0]), np.array([-0.5]))
    assert found.values == pytest.approx([0.9 * 2.5 + 0.1 * 4, 2.0])
    assert removed == pytest.approx([4 - (0.9 * 2.5 + 0.1 * 4)])
    assert found.uses.tolist() == [1, 0]
    assert found.last[0] == 3.0


def test_a_row_whose_loss_has_not_fallen_loses_its_utility_and_that_is_nothing_that_learning_removed():
    found = Utilities(np.array([5.0, 5.0, 5.0]), history=0, least_fall=0.1)
    first = found.update(np.arange(3), np.array([5.0, 5.0, 5.0]), np.zeros(3))
    assert first.tolist() == [0, 0, 0]
    assert not found.lost.any()
    second = found.update(np.arange(3), np.array([5.1, 4.6, 4.4]), np.zeros(3))
    assert found.lost.tolist() == [True, True, False]
    assert found.values.tolist() == [0, 0, 4.4]
    assert second == pytest.approx([-0.1, 0.4, 0.6])


def test_a_row_without_a_token_to_learn_is_given_up_and_earns_nothing():
    found = Utilities(np.array([5.0, 5.0]))
    assert found.update(np.arange(2), np.array([np.nan, 4.0]), np.zeros(2))[0] == 0
    assert found.lost.tolist() == [True, False]
    assert np.isfinite(found.values).all()


def test_what_is_not_known_before_is_left_out():
    assert np.isnan(Utilities(np.array([np.nan, np.inf, 1.0])).values).tolist() == [True, True, False]
    with pytest.raises(ValueError, match="between 0 and 1"):
        Utilities(np.ones(2), history=1.1)


def test_what_goes_on_from_its_written_state_gives_up_the_same_rows():
    whole = Utilities(np.array([5.0, 6.0, 7.0]))
    whole.update(np.array([2, 0]), np.array([6.0, np.nan]), np.zeros(2))
    again = Utilities(np.array([5.0, 6.0, 7.0]))
    again.restore(json.loads(json.dumps(whole.state())))
    for found in (whole, again):
        found.update(np.array([2]), np.array([6.0]), np.zeros(1))
    assert whole.lost.tolist() == again.lost.tolist() == [True, False, True]
    np.testing.assert_array_equal(whole.values, again.values)
