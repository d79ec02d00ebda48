"""Scales of the columns of a regression."""

import numpy as np

from datasel_assets.indicators.ridge_features import Scaling


def test_vectors_keep_their_proportions_and_numbers_have_a_deviation_of_one():
    vectors = np.random.default_rng(0).standard_normal((500, 3)) * [1, 2, 4] + 7
    numbers = np.exp(np.random.default_rng(1).standard_normal((500, 2)) * 3)
    found = Scaling.of(vectors, numbers).features(vectors, numbers)
    assert found.shape == (500, 5)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    spread = found.std(axis=0)
    np.testing.assert_allclose(spread[3:], 1)
    np.testing.assert_allclose(spread[:3] / spread[0], vectors.std(axis=0) / vectors.std(axis=0)[0])
    np.testing.assert_allclose(np.mean(spread[:3] ** 2), 1)


def test_a_missing_number_is_the_mean_and_a_constant_one_says_nothing():
    numbers = np.array([[1.0, 5.0, np.nan], [np.nan, 5.0, np.nan], [3.0, 5.0, np.nan]])
    found = Scaling.of(np.zeros((3, 2)), numbers).features(np.zeros((3, 2)), numbers)
    assert np.isfinite(found).all()
    assert found[1, 2] == 0
    np.testing.assert_allclose(found[:, [0, 1, 3, 4]], 0, atol=1e-12)
