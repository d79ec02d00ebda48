"""Expected spread of a cascade, against every live-edge graph of a small pool and the cascade itself."""

from itertools import combinations, product

import numpy as np
import pytest

from datasel_assets.samplers.greedy import Params, sample
from datasel_assets.samplers.greedy.objectives.cascade import Cascade, CascadeParams, successors
from datasel_assets_tests.samplers import greedy_by_hand as by_hand
from datasel_assets_tests.samplers.greedy_by_hand import pool_of

RNG = np.random.default_rng


def reached(live: np.ndarray, chosen: list[int]) -> int:
    """How many rows a set reaches over live edges (n, n), itself included."""
    active = np.zeros(len(live), bool)
    active[chosen] = True
    for _ in range(len(live)):
        active |= live[active].any(axis=0)
    return int(active.sum())


def chances(vectors: np.ndarray, k: int) -> np.ndarray:
    """(n, n) chance that row i makes row j active, from the definition."""
    s = np.maximum(by_hand.cosines(vectors), 0)
    np.fill_diagonal(s, -1)
    out = np.zeros(s.shape)
    for i, line in enumerate(s):
        near = np.argsort(-line, kind="stable")[:k]
        out[i, near] = line[near] / max(line[near].sum(), 1e-300)
    return out


def expected_spread(p: np.ndarray, chosen: list[int]) -> float:
    """The mean over all live-edge graphs, each weighed by its probability."""
    edges = np.argwhere(p > 0)
    total = 0.0
    for states in product([False, True], repeat=len(edges)):
        live, weight = np.zeros(p.shape, bool), 1.0
        for (i, j), state in zip(edges, states, strict=True):
            live[i, j] = state
            weight *= p[i, j] if state else 1 - p[i, j]
        total += weight * reached(live, chosen)
    return total


def live_graphs(objective: Cascade) -> list[np.ndarray]:
    graphs = []
    for starts in objective.starts:
        live = np.zeros((objective.n, objective.n), bool)
        for row in range(objective.n):
            live[row, objective.targets[starts[row] : starts[row + 1]]] = True
        graphs.append(live)
    return graphs


def test_chances_are_similarities_over_their_sum_among_the_nearest_rows():
    vectors = RNG(0).standard_normal((30, 4)).astype(np.float32)
    near, chance = successors((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), 6)
    found = np.zeros((30, 30))
    np.put_along_axis(found, near.astype(np.int64), chance, axis=1)
    np.testing.assert_allclose(found, chances(vectors, 6), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_many_graphs_give_the_expectation_over_all_of_them(seed):
    vectors = np.abs(RNG(seed).standard_normal((5, 3))).astype(np.float32)
    p = chances(vectors, 2)
    objective = Cascade(pool_of(vectors), CascadeParams(neighbours=2, graphs=10_000, seed=seed))
    # The spread lies between 1 and 5: its mean over 10,000 graphs is within 0.08 of the expectation (four deviations).
    exact = [expected_spread(p, [row]) for row in range(5)]
    np.testing.assert_allclose(objective.gains(np.arange(5)), exact, atol=0.08)
    objective.add(3)
    pairs = [expected_spread(p, sorted({3, row})) - exact[3] for row in range(5)]
    np.testing.assert_allclose(objective.gains(np.arange(5)), pairs, atol=0.08)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_is_that_of_evaluating_every_subset_from_scratch(seed):
    vectors = RNG(seed).standard_normal((12, 3)).astype(np.float32)
    pool = pool_of(vectors)
    given = {"name": "cascade", "neighbours": 3, "graphs": 7, "seed": seed}
    graphs = live_graphs(Cascade(pool, CascadeParams(neighbours=3, graphs=7, seed=seed)))

    def value(chosen: list[int]) -> float:
        return float(np.mean([reached(live, chosen) for live in graphs])) if chosen else 0.0

    picked = sample(pool, 12, Params.model_validate({"objective": given}), 0)
    assert by_hand.is_greedy(picked.order.tolist(), value, 12, 12, pool.ties)
    np.testing.assert_allclose(np.cumsum(picked.scores), [value(picked.order[:b].tolist()) for b in range(1, 13)], 1e-6)
    best = max(value(list(chosen)) for chosen in combinations(range(12), 3))
    assert value(picked.order[:3].tolist()) >= (1 - 1 / np.e) * best


def test_pairs_of_rows_that_have_only_each_other_reach_two_each():
    angle = np.array([0, 0.1, 2, 2.1, 4, 4.1])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    picked = sample(pool_of(vectors), 6, Params.model_validate({"objective": {"name": "cascade", "neighbours": 1}}), 0)
    assert picked.order.tolist() == [0, 2, 4, 1, 3, 5]
    assert picked.scores.tolist() == [2, 2, 2, 0, 0, 0]


def test_all_rows_reach_the_whole():
    objective = Cascade(pool_of(RNG(3).standard_normal((20, 3)).astype(np.float32)), CascadeParams(neighbours=3))
    for row in range(20):
        objective.add(row)
    assert objective.active.sum(axis=1).tolist() == [objective.whole] * 100


def test_a_row_without_similar_rows_reaches_itself():
    vectors = np.eye(3, dtype=np.float32)
    picked = sample(pool_of(vectors), 3, Params.model_validate({"objective": "cascade"}), 0)
    assert picked.scores.tolist() == [1, 1, 1]


def test_another_seed_draws_other_graphs_and_the_same_seed_the_same():
    pool = pool_of(RNG(1).standard_normal((40, 3)).astype(np.float32))
    first, again, other = (Cascade(pool, CascadeParams(graphs=3, seed=seed)).targets for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
