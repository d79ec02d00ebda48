"""Vendi score against the n x n form, closed forms and its bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.diagnostics.vendi import spectrum, vendi

ORDERS = [0.1, 0.5, 1, 2, 5, math.inf]


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def naive(X: np.ndarray, q: float) -> float:
    """The definition: every cosine, every eigenvalue."""
    n = len(X)
    K = np.array([[X[i] @ X[j] / (np.linalg.norm(X[i]) * np.linalg.norm(X[j])) for j in range(n)] for i in range(n)])
    values = np.linalg.eigvalsh(K / n)
    values = values[values > 1e-13]
    if q == 1:
        return math.exp(-sum(v * math.log(v) for v in values))
    if math.isinf(q):
        return 1 / values.max()
    return float((values**q).sum() ** (1 / (1 - q)))


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize(("n", "d"), [(40, 7), (7, 40), (20, 20), (1, 3)])
def test_both_sides_give_the_score_of_the_n_by_n_kernel(n, d, q):
    X = rows(n, d)
    # float32 is what vectors are read as; the oracle gets the same numbers.
    assert vendi(ArrayVectors(X), q) == pytest.approx(naive(X.astype(np.float32).astype(float), q), rel=1e-9)


@pytest.mark.parametrize("q", [0, *ORDERS])
def test_orthogonal_rows_count_each_and_copies_once(q):
    assert vendi(ArrayVectors(np.eye(6)), q) == pytest.approx(6)
    assert vendi(ArrayVectors(np.repeat(rows(1, 5), 50, axis=0)), q) == pytest.approx(1)
    # Where a sparse eigensolver stops at six values, twenty blocks of three copies are twenty all the same.
    assert vendi(ArrayVectors(np.repeat(np.eye(20), 3, axis=0)), q) == pytest.approx(20)


def test_order_two_is_one_over_the_mean_squared_cosine():
    X = rows(30, 5)
    X /= np.linalg.norm(X, axis=1)[:, None]
    assert vendi(ArrayVectors(X), 2) == pytest.approx(1 / np.mean((X @ X.T) ** 2), rel=1e-6)


def test_length_means_nothing_and_rows_without_direction_are_left_out():
    X = rows(30, 5)
    stretched = np.vstack([np.zeros((3, 5)), X * np.arange(1, 31)[:, None]])
    assert vendi(ArrayVectors(stretched)) == pytest.approx(vendi(ArrayVectors(X)), rel=1e-6)
    assert vendi(ArrayVectors(np.zeros((4, 3)))) == vendi(ArrayVectors(np.zeros((0, 3)))) == 0
    with pytest.raises(ValueError, match="q >= 0"):
        vendi(ArrayVectors(X), -1)


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 99), st.sampled_from([0, *ORDERS]))
def test_the_score_lies_between_one_and_the_rank_whatever_the_order_of_rows(n, d, seed, q):
    X = np.random.default_rng(seed).integers(-2, 3, (n, d)).astype(float)
    X[0, 0] = 1
    score = vendi(ArrayVectors(X), q)
    assert 1 - 1e-9 <= score <= min(n, d) + 1e-9
    assert vendi(ArrayVectors(X[::-1].copy()), q) == pytest.approx(score, rel=1e-7)
    assert spectrum(ArrayVectors(X)).sum() == pytest.approx(1)
    assert len(spectrum(ArrayVectors(X))) == np.linalg.matrix_rank(X)


def test_blocks_add_up():
    X = rows(9000, 4)
    unit = X.astype(np.float32).astype(float)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    expected = np.linalg.eigvalsh(unit.T @ unit / len(unit))[::-1]
    np.testing.assert_allclose(spectrum(ArrayVectors(X)), expected, rtol=1e-9)
