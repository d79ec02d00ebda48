"""When a proxy language model is trained again, and what is said of it."""

import pytest

from datasel_assets.models.retraining import reason_to_train, said_of_training


@pytest.mark.parametrize(
    ("moved", "checkpoints", "kept", "reason"),
    [
        (None, 0, 0, "first training"),
        (None, 3, 3, "first training"),
        (0.05, 0, 0, None),
        (0.0501, 0, 0, "the pool has moved by 0.050 bits"),
        (0.2, 3, 2, "the pool has moved by 0.200 bits"),
        (0.01, 3, 2, "3 checkpoints are asked for"),
        (0.01, 3, 3, None),
        (0.01, 0, 3, None),
    ],
)
def test_a_model_is_trained_for_the_first_reason_that_holds(moved, checkpoints, kept, reason):
    assert reason_to_train(moved, 0.05, checkpoints, kept) == reason


def test_a_model_without_the_moments_that_are_asked_for_is_trained_again():
    assert reason_to_train(0.01, 0.05, 0, 0, lacks_moments=True) == "the moments of Adam are asked for"
    assert reason_to_train(0.01, 0.05, 3, 2, lacks_moments=True) == "3 checkpoints are asked for"


def test_a_model_that_was_kept_is_told_from_one_that_a_killed_run_left_behind():
    assert said_of_training("first training", recorded=False) == "yes: first training"
    assert said_of_training(None, recorded=True) == "no: the pool has hardly moved"
    assert said_of_training(None, recorded=False) == "yes: by a run that ended before it was recorded"
