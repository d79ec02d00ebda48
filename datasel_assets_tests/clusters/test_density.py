"""Density clusters, against scikit-learn's own search of the tree."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_rand_score

from datasel_assets.clusters.density import _spanning_tree, density_clusters


def blobs(sizes: list[int], noise: int, d: int = 12, seed: int = 0, width: float = 0.15) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(len(sizes), d)), sizes, axis=0)
    rows = np.concatenate([centres + width * generator.normal(size=centres.shape), generator.normal(size=(noise, d))])
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (np.rint(units * 2**14) / 2**14).astype(np.float32)  # as they are rounded before they are compared


@pytest.mark.parametrize("min_rows", [2, 5, 12])
@pytest.mark.parametrize("seed", range(4))
def test_the_tree_joins_rows_at_the_levels_of_single_linkage_over_mutual_reachability(min_rows, seed):
    points = blobs([60, 25, 40, 14], 80, seed=seed)
    apart = squareform(pdist(points.astype(np.float64)))
    core = np.sort(apart, axis=1)[:, min_rows - 1]
    mutual = np.maximum(apart, np.maximum(core[:, None], core))
    np.fill_diagonal(mutual, 0)
    rows, others, lengths = _spanning_tree(points, min_rows)
    bottleneck = np.full(mutual.shape, np.inf)
    bottleneck[rows, others] = bottleneck[others, rows] = lengths
    np.fill_diagonal(bottleneck, 0)
    for row in range(len(points)):  # the longest edge on the way from one row to another (Floyd and Warshall)
        bottleneck = np.minimum(bottleneck, np.maximum(bottleneck[:, row : row + 1], bottleneck[row]))
    levels = squareform(cophenet(linkage(squareform(mutual), "single")))
    np.testing.assert_allclose(bottleneck, levels, rtol=1e-6)
    assert lengths.sum() == pytest.approx(minimum_spanning_tree(csr_array(mutual)).sum(), rel=1e-6)


@pytest.mark.parametrize("min_rows", [2, 5, 12])
@pytest.mark.parametrize("seed", range(4))
def test_clear_clusters_and_memberships_are_those_of_scikit_learn(min_rows, seed):
    points = blobs([60, 25, 40, 14], 0, seed=seed, width=0.08)
    oracle = HDBSCAN(min_cluster_size=min_rows, copy=True).fit(points)
    labels, membership = density_clusters(points, min_rows)
    assert adjusted_rand_score(oracle.labels_, labels) == 1
    np.testing.assert_array_equal(labels < 0, oracle.labels_ < 0)
    np.testing.assert_allclose(membership, oracle.probabilities_, rtol=1e-6)


@pytest.mark.parametrize("min_rows", [2, 5, 12])
@pytest.mark.parametrize("seed", range(4))
def test_among_noise_it_agrees_with_scikit_learn_as_that_does_with_itself_in_another_order(min_rows, seed):
    points = blobs([60, 25, 40, 14], 80, seed=seed)
    oracle = HDBSCAN(min_cluster_size=min_rows, copy=True).fit_predict(points)
    assert adjusted_rand_score(oracle, density_clusters(points, min_rows)[0]) > 0.97  # itself: 0.977 at the least


def test_clusters_are_numbered_from_the_largest_to_the_smallest():
    labels, _ = density_clusters(blobs([12, 50, 30], 20), 8)
    assert labels[:12].tolist() == [2] * 12
    assert set(labels[12:62]) <= {0, -1}
    assert set(labels[62:92]) <= {1, -1}


def test_rows_where_few_others_are_belong_to_no_cluster():
    labels, membership = density_clusters(np.concatenate([blobs([30, 30], 0), -blobs([1], 0, seed=9)]), 5)
    assert labels[60] == -1
    assert membership[60] == 0
    assert (membership[labels >= 0] > 0).all()


def test_fewer_rows_than_a_cluster_needs_are_all_noise():
    for n in (0, 1, 4):
        labels, membership = density_clusters(blobs([n], 0), 5)
        assert labels.tolist() == [-1] * n
        assert membership.tolist() == [0] * n


def test_copies_of_two_rows_are_two_clusters():
    points = np.repeat(np.eye(2, dtype=np.float32), [7, 6], axis=0)
    labels, membership = density_clusters(points, 3)
    assert labels.tolist() == [0] * 7 + [1] * 6
    assert membership.tolist() == [1] * 13
