"""Clusters in turn, from the largest, each from its outside inwards."""

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates, Sample, ordered_clusters
from datasel_assets_tests.clusters.test_density import blobs


def pool(vectors: np.ndarray) -> Candidates:
    return Candidates(np.array([f"r{i:04d}" for i in range(len(vectors))]), vectors=ArrayVectors(vectors))


def run(vectors: np.ndarray, budget: int, **params) -> Sample:
    return ordered_clusters.sample(pool(vectors), budget, ordered_clusters.Params.model_validate(params), 0)


def test_the_turns_are_those_of_scikit_learns_clusters_by_size_and_membership():
    vectors = blobs([60, 25, 40], 0, width=0.08)
    oracle = HDBSCAN(min_cluster_size=8, copy=True).fit(vectors)
    names, sizes = np.unique(oracle.labels_[oracle.labels_ >= 0], return_counts=True)
    inside = [np.flatnonzero(oracle.labels_ == name) for name in names[np.argsort(-sizes)]]
    inside = [rows[np.argsort(oracle.probabilities_[rows].astype(np.float32), kind="stable")] for rows in inside]
    fewest = min(map(len, inside))
    expected = [rows[turn] for turn in range(fewest) for rows in inside]
    found = run(vectors, len(expected), min_rows=8)
    assert len(names) == 3
    assert found.order.tolist() == expected
    np.testing.assert_allclose(found.scores, oracle.probabilities_[expected], rtol=1e-3)


def test_rows_of_no_cluster_come_last_or_not_at_all():
    vectors = blobs([20, 15], 25, seed=1)
    noise = np.flatnonzero(HDBSCAN(min_cluster_size=6, copy=True).fit(vectors).labels_ < 0).tolist()
    last, out = (run(vectors, 60, min_rows=6, noise=noise_rows) for noise_rows in ("last", "out"))
    assert len(noise) > 5
    assert last.order[-len(noise) :].tolist() == noise
    assert np.isnan(last.scores[-len(noise) :]).all()
    assert out.order.tolist() == last.order[: -len(noise)].tolist()
    assert f"{len(noise)} of 60 rows belong to none" in last.notes[0]


def test_quotas_by_size_give_large_clusters_more_turns():
    vectors = blobs([60, 20], 0)
    groups = np.repeat([0, 1], [60, 20])
    chosen = groups[run(vectors, 20, min_rows=8, quota="proportional").order]
    assert np.bincount(chosen).tolist() == [15, 5]


def test_a_pool_that_is_too_large_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(ordered_clusters, "MOST_ROWS", 30)
    with pytest.raises(ValueError, match=r"31 are more than 30.*take: \{rows: 30\}"):
        run(blobs([31], 0), 5)
