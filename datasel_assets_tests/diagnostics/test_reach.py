"""Coverage of a pool by a subset against loops over all pairs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.diagnostics.reach import reach


def points(n: int, d: int = 5, seed: int = 0) -> np.ndarray:
    X = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return X / np.linalg.norm(X, axis=1)[:, None]


def ids(n: int) -> np.ndarray:
    return np.array([f"{i:032x}" for i in range(n)])


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(0, 99), st.data())
def test_value_and_radius_are_those_of_brute_force(n, seed, data):
    X = points(n, 4, seed)
    chosen = data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True))
    best = [max(float(x @ X[j]) for j in chosen) for x in X.astype(float)]
    away = [min(float(np.linalg.norm(x - X[j])) for j in chosen) for x in X.astype(float)]
    found = reach(ArrayVectors(X), np.array(chosen))
    assert found.facility_location == pytest.approx(np.mean(np.maximum(best, 0)), abs=1e-5)
    assert found.radius == pytest.approx(max(away), abs=2e-3)
    assert found.gap == pytest.approx(np.mean(away), abs=2e-3)


def test_more_rows_never_cover_less():
    X = points(300)
    order = np.random.default_rng(1).permutation(300)
    steps = [reach(ArrayVectors(X), order[:b]) for b in (1, 5, 30, 150, 300)]
    for figure in ("facility_location", "radius", "gap"):
        values = [getattr(step, figure) for step in steps]
        assert values == sorted(values, reverse=figure != "facility_location")
    assert (steps[-1].facility_location, steps[-1].radius) == pytest.approx((1, 0), abs=1e-6)


def test_opposite_rows_count_nothing_and_lie_two_apart():
    found = reach(ArrayVectors(np.array([[1.0, 0], [-1, 0]])), np.array([0]))
    assert (found.facility_location, found.radius, found.gap) == (0.5, 2, 1)


def test_blocks_of_chosen_rows_and_of_the_pool_meet():
    X = points(9500, 3)
    chosen = np.arange(0, 9500, 2)
    cosines = np.concatenate([(X[i : i + 500] @ X[chosen].T).max(axis=1) for i in range(0, 9500, 500)])
    assert reach(ArrayVectors(X), chosen).facility_location == pytest.approx(cosines.mean(), abs=1e-5)


def test_rows_without_direction_neither_cover_nor_want_cover():
    X = np.vstack([np.zeros((2, 2)), np.eye(2) * 7]).astype(np.float32)
    found = reach(ArrayVectors(X), np.array([0, 2]))
    assert (found.rows, found.used, found.facility_location) == (2, 2, 0.5)
    nothing = reach(ArrayVectors(X), np.array([0, 1]))
    assert math.isnan(nothing.facility_location)
    assert math.isnan(reach(ArrayVectors(X), np.array([], int)).radius)


def test_a_large_pool_is_cut_to_a_hash_sample_that_ignores_order_and_says_so():
    X, names = points(500), ids(500)
    chosen = np.arange(40)
    turned = np.random.default_rng(1).permutation(500)
    place = np.argsort(turned)
    cut = reach(ArrayVectors(X), chosen, names, max_rows=100)
    same = reach(ArrayVectors(X[turned]), place[chosen], names[turned], max_rows=100)
    assert (cut.rows, cut.used, cut.sampled) == (500, 100, True)
    assert (cut.gap, cut.radius) == pytest.approx((same.gap, same.radius))
    assert cut.radius <= reach(ArrayVectors(X), chosen).radius
    with pytest.raises(ValueError, match="500 rows are more than 100: give row_ids"):
        reach(ArrayVectors(X), chosen, max_rows=100)
