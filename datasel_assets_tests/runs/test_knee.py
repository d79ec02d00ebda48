"""How much is enough, from curves whose knee is known."""

import doctest

import numpy as np
import pytest

from datasel_assets.runs import knee as module
from datasel_assets.runs.knee import Curve, answer, knee

FRACTIONS = np.array([0.01, 0.03, 0.1, 0.3, 1.0])


def curve(*means: float, noise: float = 0.0, seeds: int = 3) -> Curve:
    draws = np.random.default_rng(0).standard_normal((len(means), seeds))
    draws -= draws.mean(axis=1, keepdims=True)
    return Curve.of(FRACTIONS, np.array(means)[:, None] + noise * draws)


def test_means_have_intervals_by_student_over_the_seeds():
    found = Curve.of(np.array([0.1]), np.array([[1.0, 2.0, 3.0]]))
    assert found.mean[0] == 2
    np.testing.assert_allclose(found.high - found.mean, 4.302653 / np.sqrt(3), rtol=1e-5)
    np.testing.assert_allclose(found.mean - found.low, 4.302653 / np.sqrt(3), rtol=1e-5)


def test_a_pool_repeated_tenfold_has_its_knee_at_a_tenth():
    """What a tenth holds is all there is: beyond it nothing is gained; random rows hold copies before."""
    found = knee(curve(3.0, 2.5, 2.0, 2.0, 2.0), curve(3.2, 2.8, 2.3, 2.05, 2.0), 0.01)
    assert found.fraction == 0.1
    assert found.by_random == 1.0


def test_rows_that_harm_lower_the_answer():
    clean = knee(curve(3.0, 2.6, 2.3, 2.1, 2.0), curve(3.0, 2.6, 2.3, 2.1, 2.0), 0.01)
    shuffled = knee(curve(3.0, 2.6, 2.3, 2.35, 2.6), curve(3.1, 2.9, 2.8, 2.7, 2.6), 0.01)
    assert (clean.fraction, shuffled.fraction) == (1.0, 0.1)
    assert shuffled.by_random is None
    assert answer(shuffled, 0.01, "x").endswith("random rows do not come as near at any of these shares.")


def test_an_excess_whose_interval_exceeds_the_tolerance_is_said_to_be_open():
    sure = knee(curve(3.0, 2.0, 1.995, 1.992, 1.994), curve(3.0, 2.0, 2.0, 2.0, 2.0), 0.01)
    assert sure.fraction == 0.03
    assert "the seeds leave room" not in answer(sure, 0.01, "x")
    unsure = knee(curve(3.0, 2.0, 1.995, 1.992, 1.994, noise=0.05), curve(3.0, 2.0, 2.0, 2.0, 2.0), 0.01)
    assert unsure.fraction == 0.03
    assert unsure.high > 0.01
    assert "by its mean (the seeds leave room for up to" in answer(unsure, 0.01, "x")


def test_the_best_of_all_is_said_to_be_the_only_one_and_random_rows_that_do_as_well_too():
    found = knee(curve(3.0, 2.5, 2.2, 2.1, 2.0), curve(2.0, 2.0, 2.0, 2.0, 2.0), 0.01)
    said = answer(found, 0.01, "target sums")
    assert said.startswith("100 % of the pool is best on target sums, and nothing smaller is within 0.01 nats of it")
    assert said.endswith("random rows need no more.")


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("tolerance", [0.001, 0.05, 0.3])
def test_a_larger_tolerance_never_asks_for_more(tolerance: float):
    own, other = curve(3.0, 2.3, 2.2, 2.1, 2.0), curve(3.0, 2.6, 2.3, 2.1, 2.0)
    assert knee(own, other, tolerance * 2).fraction <= knee(own, other, tolerance).fraction
