"""Distances between two sets: Jensen-Shannon, MMD, kNN-KL, sliced Wasserstein; each against a plain loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from datasel_assets.arrays.jensen_shannon import jensen_shannon
from datasel_assets.diagnostics.knn_divergence import knn_divergence
from datasel_assets.diagnostics.mmd import median_distance, mmd2_linear, mmd2_rbf
from datasel_assets.diagnostics.wasserstein import sliced_wasserstein

FIGURES = {"linear": mmd2_linear, "rbf": mmd2_rbf, "knn": knn_divergence, "sliced": sliced_wasserstein}


def sample(n: int, d: int = 3, shift: float = 0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8))
def test_jensen_shannon_is_the_square_of_what_scipy_returns(counts):
    p, q = np.array(counts, float).T
    if not p.sum() or not q.sum():
        assert math.isnan(jensen_shannon(p, q))
        return
    found = jensen_shannon(p, q)
    assert found == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-7)
    assert found == pytest.approx(jensen_shannon(q, p * 3), abs=1e-12)
    assert 0 <= found <= 1


def test_equal_shares_diverge_by_nothing_and_disjoint_ones_by_one_bit():
    assert jensen_shannon([1, 2, 3], [10, 20, 30]) == pytest.approx(0, abs=1e-15)
    assert jensen_shannon([1, 2, 0], [0, 0, 7]) == 1
    with pytest.raises(ValueError, match="2 and 3 groups"):
        jensen_shannon([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="finite counts"):
        jensen_shannon([1, -2], [1, 2])


def naive_mmd2(A, B, kernel) -> float:
    """Gretton et al. 2012, Eq 3, pair by pair."""
    within = [np.mean([kernel(X[i], X[j]) for i in range(len(X)) for j in range(len(X)) if i != j]) for X in (A, B)]
    return within[0] + within[1] - 2 * np.mean([kernel(a, b) for a in A for b in B])


@settings(max_examples=25)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99), st.floats(0.3, 3))
def test_mmd_is_the_mean_over_pairs_of_different_rows(m, n, seed, sigma):
    A, B = sample(m, seed=seed), sample(n, shift=0.5, seed=seed + 1)
    assert mmd2_linear(A, B) == pytest.approx(naive_mmd2(A, B, lambda x, y: x @ y), abs=1e-10)
    rbf = naive_mmd2(A, B, lambda x, y: math.exp(-((x - y) @ (x - y)) / (2 * sigma**2)))
    assert mmd2_rbf(A, B, sigma) == pytest.approx(rbf, abs=1e-10)


def test_the_linear_kernel_estimates_the_squared_distance_of_the_means():
    A, B = sample(4000), sample(4000, shift=0.5, seed=1)
    between = A.mean(axis=0) - B.mean(axis=0)
    noise = A.var(axis=0, ddof=1).sum() / 4000 + B.var(axis=0, ddof=1).sum() / 4000
    assert mmd2_linear(A, B) == pytest.approx(between @ between - noise, abs=1e-12)


def test_mmd_of_two_samples_of_one_distribution_is_zero_on_average():
    values = [mmd2_rbf(sample(60, seed=2 * i), sample(60, seed=2 * i + 1)) for i in range(60)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(60)
    assert min(values) < 0 < max(values)


def test_blocks_of_the_kernel_add_up():
    A, B = sample(2100, 2), sample(2060, 2, 0.1, 1)
    whole = [np.exp(-((X[:, None] - Y[None]) ** 2).sum(axis=2) / 2) for X, Y in ((A, A), (B, B), (A, B))]
    m, n = len(A), len(B)
    expected = (whole[0].sum() - m) / (m * (m - 1)) + (whole[1].sum() - n) / (n * (n - 1)) - 2 * whole[2].mean()
    assert mmd2_rbf(A, B, 1.0) == pytest.approx(expected, abs=1e-12)


def test_the_bandwidth_is_the_median_distance():
    A, B = np.array([[0.0], [1]]), np.array([[3.0]])
    assert median_distance(A, B) == pytest.approx(2)
    assert median_distance(np.ones((3, 2)), np.ones((3, 2))) == 1
    with pytest.raises(ValueError, match="bandwidth is a positive"):
        mmd2_rbf(A, B, 0.0)


def naive_knn(A, B, k) -> float:
    n, m, d = len(A), len(B), A.shape[1]
    logs = 0.0
    for i, x in enumerate(A):
        r = sorted(np.linalg.norm(x - y) for j, y in enumerate(A) if j != i)[k - 1]
        s = sorted(np.linalg.norm(x - y) for y in B)[k - 1]
        logs += math.log(s / r)
    return d / n * logs + math.log(m / (n - 1))


@settings(max_examples=20)
@given(st.integers(4, 12), st.integers(3, 12), st.integers(1, 3), st.integers(0, 99))
def test_the_knn_divergence_is_the_formula_of_perez_cruz(n, m, k, seed):
    A, B = sample(n, seed=seed), sample(m, shift=1, seed=seed + 1)
    assert knn_divergence(A, B, k) == pytest.approx(naive_knn(A, B, k), abs=1e-6)


def test_the_knn_divergence_finds_that_of_two_gaussians():
    # KL(N(0, 1) || N(1, 1)) = 1/2 per dimension.
    assert knn_divergence(sample(2000, 2), sample(2000, 2, 1, seed=1)) == pytest.approx(1, abs=0.15)
    assert knn_divergence(sample(2000, 2), sample(2000, 2, seed=1)) == pytest.approx(0, abs=0.1)


def test_a_set_of_copies_diverges_by_a_large_but_finite_amount():
    copies = np.repeat(sample(5), 10, axis=0)
    assert 1 < knn_divergence(copies, sample(500, seed=1)) < 100
    with pytest.raises(ValueError, match="k is 0"):
        knn_divergence(copies, copies, 0)


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_on_a_line_transport_is_exact_for_any_two_sizes(m, n, seed):
    a, b = sample(m, 1, seed=seed), sample(n, 1, 0.3, seed + 1)
    # Copies to a common size do not change a distribution; equal sizes are matched in order.
    matched = np.sort(np.repeat(a.ravel(), n)) - np.sort(np.repeat(b.ravel(), m))
    assert sliced_wasserstein(a, b) == pytest.approx(math.sqrt((matched**2).mean()), abs=1e-9)
    assert sliced_wasserstein(a, b) >= wasserstein_distance(a.ravel(), b.ravel()) - 1e-9


def test_a_shifted_set_is_at_its_shift_seen_along_the_lines():
    A = sample(300, 6)
    v = np.zeros(6)
    v[2] = 3.0
    assert sliced_wasserstein(A, A + v, lines=4000) == pytest.approx(3 / math.sqrt(6), rel=0.05)
    assert sliced_wasserstein(A, A[::-1]) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="0 directions"):
        sliced_wasserstein(A, A, lines=0)


@pytest.mark.parametrize("name", FIGURES)
def test_a_larger_shift_measures_more(name):
    A = sample(400, 4)
    values = [FIGURES[name](A, sample(400, 4, shift, seed=1)) for shift in (0, 0.3, 0.6, 1.2)]
    assert values == sorted(values)
    assert values[-1] > 4 * max(values[0], 0.01)


@pytest.mark.parametrize("name", FIGURES)
def test_too_few_rows_give_no_figure_and_other_dimensions_are_refused(name):
    assert math.isnan(FIGURES[name](np.zeros((0, 3)), sample(9)))
    with pytest.raises(ValueError, match="same number of dimensions"):
        FIGURES[name](sample(9, 2), sample(9, 3))


def test_the_divergence_does_not_depend_on_the_threads_of_matrix_products():
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(4)
    A, B = rng.normal(size=(301, 384)), rng.normal(size=(403, 384))
    found = set()
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.add(knn_divergence(A, B))
    found.add(knn_divergence(A, np.asfortranarray(B)))
    assert len(found) == 1
