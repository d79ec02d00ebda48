"""Herding and non-negative matching pursuit against plain loops and closed forms."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates, match_mean, requires
from datasel_assets.samplers.match_mean import Params, sample


def pool_of(vectors: np.ndarray, queries: np.ndarray | None = None) -> Candidates:
    ids = np.array([f"{i:04d}" for i in range(len(vectors))])
    return Candidates(ids, vectors=ArrayVectors(vectors), queries=queries)


def herding_by_hand(x: np.ndarray, mean: np.ndarray, budget: int) -> list[int]:
    order: list[int] = []
    for _ in range(budget):
        apart = [
            (round(float(np.linalg.norm(mean - x[[*order, i]].mean(axis=0))), 9), i)
            for i in range(len(x))
            if i not in order
        ]
        order.append(min(apart)[1])
    return order


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 25), st.integers(1, 4), st.sampled_from([np.float16, np.float32]))
def test_herding_is_the_greedy_choice_of_a_plain_loop(seed, n, dim, kind):
    x = np.random.default_rng(seed).standard_normal((n, dim)).astype(kind)
    wide = x.astype(np.float64)
    picked = sample(pool_of(x), n, Params(), 0)
    expected = herding_by_hand(wide, wide.mean(axis=0), n)
    assert picked.order.tolist() == expected
    for t in (0, n // 2, n - 1):
        apart = np.linalg.norm(wide.mean(axis=0) - wide[expected[: t + 1]].mean(axis=0))
        assert picked.scores[t] == pytest.approx(apart, abs=1e-6)


def test_on_unit_vectors_herding_is_wellings_and_its_error_falls_like_one_over_t():
    x = np.random.default_rng(0).standard_normal((400, 5))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    mean = x.astype(np.float64).mean(axis=0)
    w, welling = mean.copy(), []
    for _ in range(60):
        along = x.astype(np.float64) @ w
        along[welling] = -np.inf
        welling.append(int(along.argmax()))
        w += mean - x[welling[-1]]
    picked = sample(pool_of(x), 60, Params(), 0)
    assert picked.order.tolist() == welling
    assert (picked.scores * np.arange(1, 61)).max() < 2.5
    assert picked.weights is None


def test_herding_beats_a_random_choice_by_far():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6)).astype(np.float32)
    plain = [np.linalg.norm(x.mean(axis=0) - x[rng.choice(300, 30, False)].mean(axis=0)) for _ in range(50)]
    assert sample(pool_of(x), 30, Params(), 0).scores[-1] < 0.2 * np.mean(plain)


def test_toward_a_target_the_mean_of_its_queries_is_matched():
    x = np.eye(4, dtype=np.float32)
    queries = np.array([[0, 0, 1, 0.2], [0, 0, 0.2, 1]], np.float32)
    assert sorted(sample(pool_of(x, queries), 2, Params(toward="target"), 0).order.tolist()) == [2, 3]
    assert requires("match_mean", Params(toward="target")) == {"vectors", "queries"}
    assert requires("match_mean", Params()) == {"vectors"}


def test_an_orthonormal_dictionary_gives_back_its_support_and_weights():
    q = np.linalg.qr(np.random.default_rng(3).normal(size=(12, 12)))[0]
    true = np.zeros(12)
    true[[2, 5, 9]] = [3, 2, 1]
    picked = sample(pool_of(q.T, (q @ true)[None, :]), 3, Params(toward="target", weights=True), 0)
    assert picked.order.tolist() == [2, 5, 9]
    np.testing.assert_allclose(picked.weights / 12, [3, 2, 1], atol=1e-4)
    assert picked.scores[-1] < 1e-4


def pursuit_by_hand(wide: np.ndarray, mean: np.ndarray, taken: list[int], ridge: float) -> tuple[list[int], np.ndarray]:
    """One round over the rows that are not ``taken``, every fit from scratch by scipy's nnls."""
    order: list[int] = []
    residual, weights = mean, np.zeros(0)
    while len(order) < min(len(wide) - len(taken), len(mean)):
        along = wide @ residual
        along[[*taken, *order]] = -np.inf
        if along.max() <= 1e-4 * np.linalg.norm(mean) or (order and np.linalg.norm(residual) <= 1e-4):
            break
        order.append(int(along.argmax()))
        stacked = np.vstack([wide[order].T, np.sqrt(ridge) * np.eye(len(order))])
        weights = nnls(stacked, np.concatenate([mean, np.zeros(len(order))]))[0]
        residual = mean - weights @ wide[order]
    return order, weights


def unit_rows(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    x = rng.standard_normal((n, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(3, 20), st.integers(2, 6), st.sampled_from([0.0, 0.3]))
def test_in_its_first_round_the_pursuit_is_greedy_with_weights_of_scipys_nnls(seed, n, dim, ridge):
    x = unit_rows(np.random.default_rng(seed), n, dim)
    wide = x.astype(np.float64)
    order, weights = pursuit_by_hand(wide, wide.mean(axis=0), [], ridge)
    picked = sample(pool_of(x), len(order), Params(weights=True, ridge=ridge), 0)
    assert picked.order.tolist() == order
    np.testing.assert_allclose(picked.weights / n, weights, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_with_a_ridge_too_a_round_ends_after_as_many_rows_as_dimensions(seed):
    x = np.abs(unit_rows(np.random.default_rng(seed), 40, 5))
    wide = x.astype(np.float64)
    first, first_weights = pursuit_by_hand(wide, wide.mean(axis=0), [], 1.0)
    second, second_weights = pursuit_by_hand(wide, wide.mean(axis=0), first, 1.0)
    assert len(first) == len(second) == 5
    picked = sample(pool_of(x), 10, Params(weights=True, ridge=1.0), 0)
    assert picked.order.tolist() == first + second
    np.testing.assert_allclose(picked.weights / 40, np.concatenate([first_weights, second_weights]) / 2, atol=1e-4)


def test_more_rows_than_dimensions_are_filled_by_further_rounds_that_still_match_the_mean():
    x = np.random.default_rng(1).standard_normal((500, 8)).astype(np.float32)
    picked = sample(pool_of(x), 200, Params(weights=True), 0)
    assert len(set(picked.order.tolist())) == 200
    assert (picked.weights >= 0).all()
    total = (picked.weights[:, None].astype(np.float64) * x[picked.order]).sum(axis=0)
    assert np.linalg.norm(total / 500 - x.mean(axis=0)) < 0.05 * np.linalg.norm(x.mean(axis=0))


def test_a_fit_is_never_worse_than_any_pair_when_two_rows_suffice():
    x = np.array([[1, 0.1], [0.1, 1], [0.7, 0.7], [-1, 0.2]], np.float32)
    target = 0.3 * x[0] + 0.6 * x[1]
    picked = sample(pool_of(x, target[None, :]), 3, Params(toward="target", weights=True), 0)
    best = min(nnls(x[list(pair)].T.astype(float), target.astype(float))[1] for pair in combinations(range(4), 2))
    assert picked.scores[: len(picked.order)].min() <= best + 1e-4


def test_a_pool_too_large_to_hold_is_read_again_and_gives_the_same(monkeypatch):
    x = np.random.default_rng(2).standard_normal((9000, 4)).astype(np.float16)
    for raw in ({}, {"weights": True}):
        held = sample(pool_of(x), 30, Params(**raw), 0)
        with monkeypatch.context() as patch:
            patch.setattr(match_mean, "HELD_BYTES", 0)
            read = sample(pool_of(x), 30, Params(**raw), 0)
        assert held.order.tolist() == read.order.tolist()


def test_wrong_parameters_and_queries_are_refused():
    with pytest.raises(ValueError, match="belongs to 'weights: true'"):
        Params(ridge=1.0)
    pool = pool_of(np.eye(2, dtype=np.float32), np.array([[np.nan, 1]], np.float32))
    with pytest.raises(ValueError, match="NaN or infinity"):
        sample(pool, 1, Params(toward="target"), 0)
