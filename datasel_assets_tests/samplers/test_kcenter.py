from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates, kcenter
from datasel_assets.samplers.kcenter import Params, sample


def pool_of(vectors: np.ndarray, ids: np.ndarray | None = None) -> Candidates:
    ids = np.array([f"{i:04d}" for i in range(len(vectors))]) if ids is None else ids
    return Candidates(ids, vectors=ArrayVectors(vectors))


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None].astype(np.float64) - b[None].astype(np.float64)) ** 2).sum(axis=2)


def greedy_by_hand(vectors: np.ndarray, ties: np.ndarray, budget: int, first: int) -> list[int]:
    """Farthest point by full recomputation; vectors of small whole numbers make distances exact."""
    order = [first]
    while len(order) < min(budget, len(vectors)):
        nearest = squared(vectors, vectors[order]).min(axis=1)
        nearest[order] = -1
        order.append(min(range(len(vectors)), key=lambda i: (-nearest[i], ties[i])))
    return order


@pytest.mark.parametrize("hopefuls", [1, 3, kcenter.HOPEFULS])
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), dim=st.integers(1, 3), budget=st.integers(1, 45))
def test_the_order_is_the_greedy_one_however_few_rows_are_kept_up_to_date(hopefuls, seed, n, dim, budget):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-3, 4, (n, dim)).astype(np.float16)
    vectors[(vectors == 0).all(axis=1)] = 1
    pool = pool_of(vectors, np.array([f"{i:03d}" for i in rng.permutation(n)]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kcenter, "HOPEFULS", hopefuls)
        picked = sample(pool, budget, Params(init="random"), seed)
    assert picked.order.tolist() == greedy_by_hand(vectors, pool.ties, budget, int(picked.order[0]))


@pytest.mark.parametrize("init", ["medoid", "random"])
def test_the_radius_is_at_most_twice_the_best_possible(init):
    rng = np.random.default_rng(0)
    for seed in range(5):
        vectors = rng.standard_normal((12, 2)).astype(np.float32)
        distances = np.sqrt(squared(vectors, vectors))
        for budget in (1, 2, 3):
            best = min(distances[:, list(chosen)].min(axis=1).max() for chosen in combinations(range(12), budget))
            order = sample(pool_of(vectors), budget, Params(init=init), seed).order
            assert distances[:, order].min(axis=1).max() <= 2 * best


def test_every_planted_cluster_is_hit():
    rng = np.random.default_rng(0)
    middles = np.linalg.qr(rng.standard_normal((32, 32)))[0][:20]
    labels = rng.integers(0, 20, 2000)
    labels[:20] = np.arange(20)
    vectors = (middles[labels] + 0.02 * rng.standard_normal((2000, 32))).astype(np.float16)
    order = sample(pool_of(vectors), 20, Params(), 0).order
    assert set(labels[order].tolist()) == set(range(20))


def test_the_medoid_is_the_row_closest_to_the_mean():
    vectors = np.random.default_rng(1).standard_normal((200, 6)).astype(np.float32)
    first = sample(pool_of(vectors), 1, Params(init="medoid"), 0).order[0]
    assert first == np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).argmin()


def test_scores_are_distances_at_the_pick_and_never_grow():
    vectors = np.random.default_rng(2).standard_normal((300, 5)).astype(np.float32)
    picked = sample(pool_of(vectors), 60, Params(), 0)
    assert np.isnan(picked.scores[0])
    assert (np.diff(picked.scores[1:]) <= 0).all()
    for place in (1, 17, 59):
        row, earlier = picked.order[place], picked.order[:place]
        expected = np.sqrt(squared(vectors[[row]], vectors[earlier]).min())
        assert picked.scores[place] == pytest.approx(expected, rel=1e-5)


def test_rows_that_were_not_chosen_tell_their_distance_to_the_nearest_chosen_one():
    vectors = np.random.default_rng(3).standard_normal((200, 4)).astype(np.float32)
    picked = sample(pool_of(vectors), 25, Params(), 0)
    expected = np.sqrt(squared(vectors, vectors[picked.order]).min(axis=1))
    np.testing.assert_allclose(picked.row_scores, expected, atol=1e-5)
    assert np.delete(picked.row_scores, picked.order).max() <= picked.scores[-1]


def test_duplicates_of_chosen_rows_fill_the_budget_by_row_id():
    vectors = np.repeat(np.eye(3, dtype=np.float16), 4, axis=0)
    picked = sample(pool_of(vectors), 10, Params(), 0)
    assert sorted(picked.order[:3].tolist()) == [0, 4, 8]
    assert picked.order[3:].tolist() == [1, 2, 3, 5, 6, 7, 9]
    assert (picked.scores[3:] == 0).all()


def test_existing_rows_are_kept_away_from_and_not_returned():
    vectors = np.array([[1, 0], [0.9, 0.1], [-1, 0], [0, 1]], np.float32)
    picked = sample(pool_of(vectors), 4, Params(existing=("0000",)), 0)
    assert picked.order.tolist() == [2, 3, 1]
    assert picked.scores[0] == 2


def test_an_existing_row_may_be_one_that_cannot_be_chosen():
    vectors = np.array([[1, 0], [0.9, 0.1], [-1, 0]], np.float32)
    pool = Candidates(np.array(["a", "b", "c"]), eligible=np.array([False, True, True]), vectors=ArrayVectors(vectors))
    assert sample(pool, 1, Params(existing=("a",)), 0).order.tolist() == [2]


def test_an_unknown_existing_row_is_named():
    with pytest.raises(ValueError, match="'nope' is not in the pool"):
        sample(pool_of(np.ones((2, 2), np.float32)), 1, Params(existing=("nope",)), 0)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), dim=st.integers(1, 3), rows=st.sampled_from([1, 4, 4096]))
def test_the_farthest_pair_is_that_of_all_pairs_with_the_lowest_ids(seed, n, dim, rows):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-3, 4, (n, dim)).astype(np.float16)
    vectors[(vectors == 0).all(axis=1)] = 1
    pool = pool_of(vectors, np.array([f"{i:03d}" for i in rng.permutation(n)]))
    apart = squared(vectors, vectors)
    pairs = [(-apart[i, j], *sorted((pool.ties[i], pool.ties[j]))) for i, j in combinations(range(n), 2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kcenter, "BLOCK_ROWS", rows)
        picked = sample(pool, n, Params(init="farthest_pair"), 0)
    if n > 1:
        assert tuple(pool.ties[picked.order[:2]]) == min(pairs)[1:]
        assert picked.scores[1] == pytest.approx(np.sqrt(apart.max()), abs=1e-3)
    assert len(set(picked.order.tolist())) == n


def test_the_farthest_pair_of_a_cloud_is_found_without_all_pairs():
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((9000, 6)).astype(np.float32)
    vectors[[17, 4321]] = [[30, 0, 0, 0, 0, 0], [-30, 1, 0, 0, 0, 0]]
    assert sample(pool_of(vectors), 2, Params(init="farthest_pair"), 0).order.tolist() == [17, 4321]


def test_medoids_start_with_the_row_closest_to_each_groups_mean():
    rng = np.random.default_rng(5)
    groups = rng.choice(["a", "b", "c"], 300, p=[0.2, 0.5, 0.3])
    vectors = rng.standard_normal((300, 4)).astype(np.float32) + 3 * (groups == "b")[:, None]
    pool = Candidates(np.array([f"{i:04d}" for i in range(300)]), groups=groups, vectors=ArrayVectors(vectors))
    picked = sample(pool, 20, Params(init="medoids"), 0)
    expected = []
    for name in ("b", "c", "a"):
        rows = np.flatnonzero(groups == name)
        expected.append(int(rows[np.linalg.norm(vectors[rows] - vectors[rows].mean(axis=0), axis=1).argmin()]))
    assert picked.order[:3].tolist() == expected
    assert sample(pool, 2, Params(init="medoids"), 0).order.tolist() == expected[:2]
    assert np.isnan(picked.scores[0])
    for place in (1, 2, 3, 19):
        nearest = np.sqrt(squared(vectors[picked.order[[place]]], vectors[picked.order[:place]]).min())
        assert picked.scores[place] == pytest.approx(nearest, rel=1e-5)
    assert picked.order[3] == np.sqrt(squared(vectors, vectors[expected])).min(axis=1).argmax()
    assert Params(init="medoids").requires == {"vectors", "groups"}


def test_existing_rows_leave_no_choice_of_a_start():
    with pytest.raises(ValueError, match="leave 'init' out"):
        Params(init="random", existing=("a",))
