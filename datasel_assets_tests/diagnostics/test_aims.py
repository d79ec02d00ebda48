"""How near rows come to what the training is for."""

import numpy as np
import pytest

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.diagnostics.aims import known_mean, known_ranks, nearest_example, target_measure


def test_of_several_examples_the_nearest_counts():
    rows = ArrayVectors(np.array([[1, 0], [0.6, 0.8], [0, -1]], dtype=np.float32))
    found = nearest_example(rows, np.zeros(3, dtype=bool), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert found == pytest.approx([1.0, 0.8, 0.0])


def test_a_row_without_a_vector_is_near_to_nothing():
    rows = ArrayVectors(np.array([[1, 0], [0, 0]], dtype=np.float32))
    found = nearest_example(rows, np.array([False, True]), np.array([[-1.0, 0.0]]))
    assert found.tolist() == pytest.approx([-1.0, float("nan")], nan_ok=True)


def test_every_block_of_rows_is_looked_at():
    angles = np.linspace(0, np.pi, 5000)
    rows = ArrayVectors(np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32))
    found = nearest_example(rows, np.zeros(5000, dtype=bool), np.array([[1.0, 0.0]]))
    assert found == pytest.approx(np.cos(angles), abs=1e-6)


def test_ranks_are_among_the_known_scores_and_ties_share_theirs():
    scores = np.array([5.0, np.nan, 1.0, 5.0, 9.0])
    assert known_ranks(scores).tolist() == pytest.approx([0.5, float("nan"), 0.125, 0.5, 0.875], nan_ok=True)
    assert np.isnan(known_ranks(np.full(3, np.nan))).all()


def test_a_mean_of_nothing_is_not_a_number():
    assert np.isnan(known_mean(np.array([np.nan])))
    assert np.isnan(known_mean(np.array([])))
    assert known_mean(np.array([2.0, np.nan, 4.0])) == 3.0


def test_closeness_to_a_target_is_held_against_nobody():
    measure = target_measure("adding")
    assert (measure.name, measure.better, measure.judged) == ("near_adding", "high", False)
