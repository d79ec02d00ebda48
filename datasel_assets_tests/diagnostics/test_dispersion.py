"""Dispersion against sums over all rows and pairs."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.diagnostics.dispersion import dispersion


def unit(n: int, d: int, seed: int = 0) -> np.ndarray:
    X = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return X / np.linalg.norm(X, axis=1)[:, None]


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return 1 - float(x.astype(float) @ y.astype(float))


@settings(max_examples=30)
@given(st.integers(2, 20), st.integers(1, 5), st.integers(0, 99))
def test_the_closed_forms_are_the_sums_over_rows_and_pairs(n, d, seed):
    X = unit(n, d, seed)
    labels = np.random.default_rng(seed).integers(-1, 3, n)
    found = dispersion(ArrayVectors(X), labels)
    mean = X.mean(axis=0, dtype=float)
    assert found.rows == n
    assert found.pair_distance == pytest.approx(np.mean([distance(a, b) for a, b in combinations(X, 2)]), abs=1e-6)
    assert found.mean_distance == pytest.approx(np.mean([np.linalg.norm(x - mean) for x in X]), abs=1e-6)
    assert found.radius == pytest.approx(np.prod(X.std(axis=0, dtype=float)) ** (1 / d), abs=1e-6)
    assert found.inertia == pytest.approx(np.mean([np.sum((x - mean) ** 2) for x in X]), abs=1e-6)
    squares = [np.sum((x - X[labels == c].mean(axis=0, dtype=float)) ** 2) for x, c in zip(X, labels, strict=True)]
    grouped = [square for square, c in zip(squares, labels, strict=True) if c >= 0]
    assert found.within == pytest.approx(np.mean(grouped), abs=1e-6) if grouped else math.isnan(found.within)


def test_inertia_in_clusters_is_that_of_k_means():
    X = unit(200, 4)
    fit = KMeans(5, n_init=1, random_state=0).fit(X.astype(float))
    labels = fit.predict(X.astype(float))
    means = np.array([X[labels == c].mean(axis=0) for c in range(5)])
    assert dispersion(ArrayVectors(X), labels).within * 200 == pytest.approx(((X - means[labels]) ** 2).sum(), rel=1e-5)
    assert dispersion(ArrayVectors(X), labels).within * 200 == pytest.approx(fit.inertia_, rel=0.02)


def test_copies_do_not_spread_and_opposites_spread_most():
    copies = dispersion(ArrayVectors(np.repeat(unit(1, 3), 9, axis=0)), np.zeros(9, int))
    assert (copies.pair_distance, copies.inertia, copies.within) == pytest.approx((0, 0, 0), abs=1e-6)
    assert copies.mean_distance == pytest.approx(0, abs=1e-3)
    assert copies.radius == pytest.approx(0, abs=1e-6)
    two = dispersion(ArrayVectors(np.array([[1.0, 0], [-3, 0]])))
    assert (two.pair_distance, two.mean_distance, two.inertia) == pytest.approx((2, 1, 1))
    assert two.radius == 0  # one of two coordinates does not vary
    assert math.isnan(two.within)


def test_the_radius_of_hundreds_of_narrow_coordinates_neither_vanishes_nor_overflows():
    # The corners of a cross: each coordinate is 1 or -1 in one of d rows, sigma = sqrt(1 / d) in all of them.
    d = 700
    cross = np.concatenate([np.eye(d), -np.eye(d)])
    assert dispersion(ArrayVectors(cross)).radius == pytest.approx(d**-0.5)


def test_little_or_nothing_has_no_pairs():
    one = dispersion(ArrayVectors(np.ones((1, 2))))
    assert math.isnan(one.pair_distance)
    assert one.mean_distance == pytest.approx(0, abs=1e-6)
    none = dispersion(ArrayVectors(np.zeros((5, 2))), np.zeros(5, int))
    assert none.rows == 0
    assert all(math.isnan(v) for v in (none.pair_distance, none.mean_distance, none.radius, none.inertia, none.within))
    with pytest.raises(ValueError, match="2 labels for 5 rows"):
        dispersion(ArrayVectors(np.zeros((5, 2))), np.zeros(2, int))
