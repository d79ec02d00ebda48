"""Indicators of neighbours against closed forms."""

import numpy as np

from datasel_assets.indicators.neighbours import (
    centroid_distance,
    knn_distance,
    mean_neighbour_distance,
    nearest_distance,
    row_variance,
)
from datasel_assets_tests.arrays.test_nearest_neighbours import unit


def test_the_columns_are_the_first_the_sixth_and_the_mean_distance():
    distance = np.array([[0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.5] + [np.nan] * 9], np.float32)
    np.testing.assert_allclose(nearest_distance(distance), [0, 0.5], rtol=1e-6)
    np.testing.assert_allclose(knn_distance(distance), [0.5, np.nan], rtol=1e-6)
    np.testing.assert_allclose(mean_neighbour_distance(distance), [0.45, 0.5], rtol=1e-6)


def test_the_sixth_distance_of_lists_of_five_is_not_known():
    assert np.isnan(knn_distance(np.zeros((3, 5), np.float32))).all()


def test_the_distance_to_a_centroid_is_the_euclidean_one():
    vectors, centroid = unit(50), unit(1, seed=9)[0]
    expected = np.linalg.norm(vectors - centroid, axis=1)
    np.testing.assert_allclose(centroid_distance(1 - vectors @ centroid), expected, atol=1e-5)
    assert np.isnan(centroid_distance(np.array([np.nan])))[0]


def test_the_variance_of_a_row_does_not_depend_on_how_the_axes_point():
    skewed = np.random.default_rng(3).gamma(1.5, size=(400, 6)) * np.array([3, 2.5, 2, 1.5, 1, 0.5])
    flipped = skewed * np.array([1, -1, 1, 1, -1, 1])
    rotated = skewed @ np.linalg.qr(np.random.default_rng(4).standard_normal((6, 6)))[0]
    expected = row_variance(skewed)
    np.testing.assert_allclose(row_variance(flipped), expected, rtol=1e-9)
    np.testing.assert_allclose(row_variance(rotated), expected, rtol=1e-9)


def test_the_variance_of_known_coordinates_comes_back_on_axis_aligned_data():
    rng = np.random.default_rng(1)
    spread = np.array([8.0, 4.0, 2.0])
    X = rng.standard_normal((4000, 3)) * spread
    X -= X.mean(0)
    X = X @ np.linalg.inv(np.linalg.cholesky(X.T @ X / 3999)).T * spread
    X *= np.where((X**3).sum(0) < 0, -1, 1)
    np.testing.assert_allclose(row_variance(X), X.var(axis=1, ddof=1), rtol=1e-6)


def test_a_pool_too_small_for_a_variance_has_none():
    assert np.isnan(row_variance(unit(2))).all()
