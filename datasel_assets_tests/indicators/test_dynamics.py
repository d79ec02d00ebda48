"""Indicators of dynamics against histories written by hand."""

import numpy as np
import pytest

from datasel_assets.indicators import dynamics as d
from datasel_assets.indicators.dynamics import DYNAMICS, History

NAN = np.nan


def history(right, **more) -> History:
    right = np.array([[float(c) if c in "01" else NAN for c in row] for row in right])
    return History(**{"losses": 2 - right, "right": right, **more})


FOUR = history(["00000", "11111", "01010", "01111"])


def test_a_row_that_was_never_learned_is_the_most_forgotten():
    assert d.forgetting_events(FOUR).tolist() == [5, 0, 2, 0]


def test_a_row_is_first_learned_at_its_first_right_presentation_or_after_the_last():
    assert d.first_learned(FOUR).tolist() == [6, 1, 2, 2]


def test_wrong_events_count_errors_and_not_changes():
    assert d.wrong_events(FOUR).tolist() == [5, 0, 3, 1]


def test_the_slope_of_the_loss_is_that_of_a_line():
    losses = np.array([[5.0, 4, 3, 2], [1, 1, 1, 1], [1, 3, 1, 3]])
    found = d.loss_slope(History(losses, np.zeros((3, 4))))
    assert found == pytest.approx([np.polyfit(np.arange(4), row, 1)[0] for row in losses])


def test_confidence_is_described_by_its_mean_and_its_spread():
    confidence = np.array([[0.2, 0.4, 0.9], [0.5, 0.5, 0.5]])
    found = history(["111", "111"], confidence=confidence)
    assert d.mean_confidence(found) == pytest.approx([0.5, 0.5])
    assert d.confidence_variability(found) == pytest.approx([confidence[0].std(), 0])


def test_early_is_the_first_two_presentations():
    assert d.el2n_early(history(["111"], el2n=np.array([[1.0, 0.5, 0.0]]))).tolist() == [0.75]


@pytest.mark.parametrize(
    ("right", "later", "forgotten"),
    [("1", "000", 1), ("1", "100", 2), ("1", "010", 3), ("1", "001", 4), ("1", "111", 4), ("0", "111", NAN)],
)
def test_a_row_is_forgotten_after_the_epoch_from_which_it_stays_wrong(right, later, forgotten):
    found = history([right], later=np.array([[float(c) for c in later]]))
    np.testing.assert_array_equal(d.second_split_forgotten(found), [forgotten])


def test_without_halves_nothing_is_said_of_forgetting_on_the_other_half():
    assert np.isnan(d.second_split_forgotten(FOUR)).all()


def test_hard_rows_are_worth_more_where_data_are_plentiful_and_easy_ones_where_they_are_not():
    el2n = np.array([[1.2, 1.0], [0.1, 0.1]])
    rich, poor = (history(["11", "11"], el2n=el2n, plentiful=plentiful) for plentiful in (True, False))
    assert d.worth_by_size(rich).argmax() == 0
    assert d.worth_by_size(poor).argmax() == 1


@pytest.mark.parametrize("name", DYNAMICS)
def test_a_row_that_was_never_presented_has_no_value(name):
    empty = np.full((1, 3), NAN)
    found = DYNAMICS[name](History(empty, empty, empty, empty, empty))
    assert found.shape == (1,)
    assert np.isnan(found).all()


@pytest.mark.parametrize("name", DYNAMICS)
def test_values_lie_inside_their_bounds(name):
    random = np.random.default_rng(0)
    n = 50
    given = {"p_clean": random.random(n), "difficulty": random.random(n), "neighbour_disagreement": random.random(n)}
    given["label_margin"] = random.uniform(-1, 1, n)
    right, later = random.integers(0, 2, (2, n, 4)).astype(float)
    p = random.random((n, 4))
    found = DYNAMICS[name](History(-np.log(p), right, p, np.sqrt(2) * (1 - p), later, given))
    low, high = DYNAMICS[name].bounds
    known = found[np.isfinite(found)]
    assert len(known)
    assert low is None or (known >= low).all()
    assert high is None or (known <= high).all()


def test_what_the_training_did_not_say_is_missing():
    assert np.isnan(d.p_clean(FOUR)).all()
    said = history(["11"], given={"p_clean": np.array([0.25])})
    assert d.p_clean(said).tolist() == [0.25]


def test_a_classifier_and_halves_have_columns_of_their_own():
    plain = set(d.family(labels=False, split=False))
    assert set(d.family(labels=True, split=True)) - plain == {
        "label_margin",
        "neighbour_disagreement",
        "second_split_forgotten",
    }
