"""What the benchmark of the datamodelling score makes of scores that are right, useless and wrong."""

import numpy as np

from benchmarks.influence_lds import judge

DRAW = np.random.default_rng(0)
MASKS = DRAW.random((48, 60)) < 0.5
TRUE = DRAW.standard_normal((60, 6))
OUTCOMES = MASKS @ TRUE
TASKS = ["a", "a", "a", "b", "b", "b"]


def test_scores_that_add_up_to_the_outcomes_are_perfect_on_every_resample():
    found = judge(TRUE, MASKS, OUTCOMES, TASKS)
    assert found["objective"] == found["by_task"] == 1
    assert found["low"] == found["high"] == 1


def test_random_scores_have_an_interval_around_nothing_and_reversed_ones_are_as_wrong_as_can_be():
    found = judge(DRAW.standard_normal((60, 6)), MASKS, OUTCOMES, TASKS)
    assert found["low"] < 0.1
    assert found["high"] > -0.1
    assert judge(-TRUE, MASKS, OUTCOMES, TASKS)["high"] == -1


def test_noise_lowers_the_score_and_widens_the_interval():
    noisy = judge(TRUE + 2 * DRAW.standard_normal(TRUE.shape), MASKS, OUTCOMES, TASKS)
    assert 0 < noisy["objective"] < 0.9
    assert noisy["low"] < noisy["objective"] < noisy["high"]
