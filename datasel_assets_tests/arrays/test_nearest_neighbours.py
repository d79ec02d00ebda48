"""The search for neighbours against scikit-learn and brute force, however the pool came about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from datasel_assets.arrays import nearest_neighbours as nearest
from datasel_assets.arrays.nearest_neighbours import Neighbours, nearest_neighbours, update_neighbours


def unit(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute(vectors: np.ndarray, k: int) -> np.ndarray:
    """Sorted distances to the other rows that have a direction, NaN where there are none."""
    usable = np.linalg.norm(vectors, axis=1) > 0
    gaps = np.linalg.norm(vectors[:, None].astype(float) - vectors[None].astype(float), axis=2)
    gaps[:, ~usable] = np.inf
    gaps[~usable] = np.inf
    np.fill_diagonal(gaps, np.inf)
    nearest = np.sort(gaps, axis=1)[:, :k]
    nearest = np.pad(nearest, ((0, 0), (0, max(0, k - nearest.shape[1]))), constant_values=np.inf)
    return np.where(np.isinf(nearest), np.nan, nearest)


def test_distances_equal_those_of_scikit_learn():
    vectors = unit(300)
    found = nearest_neighbours(vectors)
    expected, _ = NearestNeighbors(n_neighbors=11).fit(vectors).kneighbors(vectors)
    np.testing.assert_allclose(found.distance, expected[:, 1:], atol=1e-3)
    assert found.recall == 1.0
    assert found.searched == 300


def test_a_row_is_not_its_own_neighbour_but_a_copy_is():
    vectors = np.repeat(unit(3), 40, axis=0)
    found = nearest_neighbours(vectors, k=5)
    assert not (found.index == np.arange(120)[:, None]).any()
    np.testing.assert_allclose(found.distance, 0, atol=1e-3)


def test_a_row_without_direction_has_no_neighbours_and_is_nobodys():
    vectors = unit(30)
    vectors[7] = 0
    found = nearest_neighbours(vectors, k=5)
    assert (found.index[7] == -1).all()
    assert np.isnan(found.distance[7]).all()
    assert 7 not in found.index


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_a_pool_smaller_than_the_list_leaves_gaps(n):
    found = nearest_neighbours(unit(n), k=5)
    assert (found.index >= 0).sum() == n * max(n - 1, 0)
    assert np.isnan(found.distance[:, -1]).all()


@settings(max_examples=40)
@given(
    n=st.integers(1, 30),
    rounds=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=3),
    seed=st.integers(0, 999),
)
def test_a_pool_that_grew_and_shrank_has_the_neighbours_of_a_pool_made_at_once(n, rounds, seed):
    rng = np.random.default_rng(seed)
    vectors = unit(n, 4, seed)
    vectors[rng.random(n) < 0.1] = 0
    found = nearest_neighbours(vectors, k=4)
    for come, go in rounds:
        leave = rng.permutation(len(vectors))[: min(go, len(vectors) - 1)]
        stay = np.setdiff1d(np.arange(len(vectors)), leave)
        place = np.full(len(vectors) + 1, -1)
        place[stay] = np.arange(len(stay))
        new = np.concatenate(
            [vectors[rng.integers(0, len(vectors), come // 2)], unit(come - come // 2, 4, seed + come)]
        )
        vectors = np.concatenate([vectors[stay], new])
        lists = Neighbours(
            np.concatenate([place[found.index[stay]], np.full((len(new), 4), -1)]),
            np.concatenate([found.distance[stay], np.full((len(new), 4), np.nan, np.float32)]),
            1.0,
            0,
        )
        is_new = np.arange(len(vectors)) >= len(stay)
        found = update_neighbours(vectors, lists, is_new)
        np.testing.assert_allclose(found.distance, brute(vectors, 4), atol=2e-3)


def test_one_per_cent_more_rows_search_about_one_per_cent_of_the_pool():
    vectors = unit(2000)
    stored = nearest_neighbours(vectors[:1980])
    lists = Neighbours(
        np.concatenate([stored.index, np.full((20, 10), -1)]),
        np.concatenate([stored.distance, np.full((20, 10), np.nan, np.float32)]),
        1.0,
        0,
    )
    found = update_neighbours(vectors, lists, np.arange(2000) >= 1980)
    assert found.searched == 20
    np.testing.assert_allclose(found.distance, nearest_neighbours(vectors).distance, atol=1e-3)


def test_above_the_exact_size_most_neighbours_are_found_and_the_recall_says_how_many():
    rng = np.random.default_rng(0)
    centres = unit(40, 16)
    vectors = centres[rng.integers(0, 40, 4000)] + 0.15 * rng.standard_normal((4000, 16)).astype(np.float32)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    exact, quick = nearest_neighbours(vectors), nearest_neighbours(vectors, exact_rows=1000)
    true_recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.index, quick.index, strict=True)])
    assert quick.recall == pytest.approx(true_recall, abs=0.05)
    assert true_recall > 0.8


@pytest.mark.parametrize("k", [3, 40])
def test_the_bytes_do_not_depend_on_how_queries_are_shared_among_threads(k: int, monkeypatch):
    import faiss

    vectors = unit(700, 384, seed=5)
    vectors[20] = vectors[600]
    threads, found = faiss.omp_get_max_threads(), []
    try:
        for count, block in ((1, 16_384), (2, 16_384), (4, 16_384), (1, 7)):
            faiss.omp_set_num_threads(count)
            monkeypatch.setattr(nearest, "_BLOCK", block)
            found.append(nearest_neighbours(vectors, k))
    finally:
        faiss.omp_set_num_threads(threads)
    assert len({(each.index.tobytes(), each.distance.tobytes()) for each in found}) == 1
    assert found[0].distance[20, 0] == 0
    mutual = {(i, j): d for i in range(700) for j, d in zip(found[0].index[i], found[0].distance[i], strict=True)}
    assert all(mutual[j, i] == d for (i, j), d in mutual.items() if (j, i) in mutual)
