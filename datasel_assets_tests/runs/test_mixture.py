"""Mixtures from effects, against the formula."""

import numpy as np

from datasel_assets.runs.mixture import skill_it

NATURAL = np.array([0.5, 0.25, 0.25])


def test_shares_follow_what_units_do_to_losses_that_are_still_high():
    effects = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.1]])
    found = skill_it(effects, np.array([2.0, 4.0]), NATURAL, eta=0.5)
    weights = NATURAL * np.exp([0.0, 0.5 * 1.0 * 2.0, 0.5 * 0.5 * 4.0])
    np.testing.assert_allclose(found, weights / weights.sum())


def test_units_that_harm_are_not_taken_for_less_than_units_that_do_nothing():
    found = skill_it(np.array([[-0.5], [0.0], [0.1]]), np.array([1.0]), NATURAL)
    np.testing.assert_allclose(found[0] / found[1], 2.0)
    assert found[2] > found[1]


def test_without_any_help_the_pool_stays_as_it_is():
    np.testing.assert_allclose(skill_it(np.zeros((3, 2)), np.ones(2), NATURAL), NATURAL)
