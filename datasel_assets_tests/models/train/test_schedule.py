from itertools import pairwise

import numpy as np
import pytest

from datasel_assets.models.train.schedule import learning_rate


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.1), ("linear", 1 / 90)])
def test_the_learning_rate_rises_and_falls(schedule, last):
    rates = [learning_rate(step, 100, 1.0, 0.1, schedule) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates[10] == 1
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(last, abs=1e-3)


def test_a_constant_rate_stays_once_it_has_risen():
    assert [learning_rate(step, 4, 2.0, 0.5, "constant") for step in range(4)] == [1.0, 2.0, 2.0, 2.0]


def test_a_training_of_one_step_has_a_rate():
    assert learning_rate(0, 1, 1.0, 1.0) == 1.0
