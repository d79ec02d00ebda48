import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from threadpoolctl import threadpool_limits

from datasel_assets.clusters.kmeans import ClusterModel, assign, auto_k, cluster_stats, fit_clusters


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def blobs(n: int, d: int, groups: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    middles = unit(generator.standard_normal((groups, d)))
    truth = generator.integers(0, groups, n)
    return unit(middles[truth] + spread * generator.standard_normal((n, d))), truth


def textbook(X: np.ndarray, start: np.ndarray, iterations: int) -> np.ndarray:
    """Spherical k-means as it is written, in float64; none of its clusters may run empty."""
    X, centroids = X.astype(np.float64), start.astype(np.float64)
    for _ in range(iterations):
        labels = (X @ centroids.T).argmax(axis=1)
        centroids = np.array([X[labels == c].sum(axis=0) for c in range(len(centroids))])
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    return centroids


def test_planted_clusters_are_found_exactly():
    X, truth = blobs(3000, 32, 6, 0.05)
    # One of a few starts has a row of each group; a spherical k-means from such a start finds the truth.
    best = max((fit_clusters(X, 6, seed) for seed in range(8)), key=lambda model: -model.inertia)
    labels, _ = assign(best, X)
    pairs = {(int(a), int(b)) for a, b in zip(labels, truth, strict=True)}
    assert len(pairs) == 6
    assert sorted(best.sizes) == sorted(np.bincount(truth))


def test_the_iterations_are_those_of_the_textbook():
    X, _ = blobs(2000, 16, 9, 0.3)
    start = np.random.default_rng(5).permutation(2000)[:12]
    expected = textbook(X, X[start], 10)
    model = fit_clusters(X, 12, seed=5, iterations=10)
    order = (model.centroids @ expected.T).argmax(axis=1)
    assert sorted(order) == list(range(12))
    np.testing.assert_allclose(model.centroids, expected[order], atol=2e-5)


def test_every_row_takes_part_in_the_fit():
    # Bare faiss would look at 256 rows per cluster, 512 of these 6,000.
    X, _ = blobs(6000, 8, 2, 0.4)
    model = fit_clusters(X, 2, seed=0, iterations=60)
    labels, _ = assign(model, X)
    means = unit(np.array([X[labels == c].astype(np.float64).sum(axis=0) for c in range(2)]))
    np.testing.assert_allclose(model.centroids, means, atol=1e-5)
    assert model.sizes.sum() == 6000


def test_inertia_and_distance_are_one_minus_cosine():
    X, _ = blobs(1500, 24, 5, 0.4)
    model = fit_clusters(X, 7, seed=1)
    labels, distance = assign(model, X)
    cosines = X.astype(np.float64) @ model.centroids.astype(np.float64).T
    np.testing.assert_allclose(distance, 1 - cosines.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(cosines[np.arange(len(X)), labels], cosines.max(axis=1), atol=1e-7)
    assert model.inertia == pytest.approx((1 - cosines.max(axis=1)).sum(), rel=1e-5)
    np.testing.assert_array_equal(model.sizes, np.bincount(labels, minlength=7))


def test_inertia_is_as_good_as_that_of_scikit_learn():
    from sklearn.cluster import KMeans

    X, _ = blobs(2000, 16, 20, 0.3)
    ours = min(fit_clusters(X, 20, seed).inertia for seed in range(4))
    theirs = np.inf
    for seed in range(4):
        middles = KMeans(20, init="random", n_init=1, max_iter=25, random_state=seed).fit(X).cluster_centers_
        theirs = min(theirs, (1 - (X @ unit(middles).T).max(axis=1)).sum())
    assert ours < 1.02 * theirs


def test_the_same_input_gives_the_same_bytes_on_one_and_two_threads():
    X, _ = blobs(5000, 48, 30, 0.5)
    found = []
    for threads in (1, 2, 1):
        with threadpool_limits(threads):
            model = fit_clusters(X, 30, seed=3, iterations=8)
            labels, distance = assign(model, X)
        found.append(b"".join(a.tobytes() for a in (model.centroids, model.sizes, model.inertias, labels, distance)))
    assert found[0] == found[1] == found[2]


def test_another_seed_gives_another_start():
    X, _ = blobs(500, 8, 5, 0.8)
    assert not np.array_equal(fit_clusters(X, 5, 0).centroids, fit_clusters(X, 5, 1).centroids)
    assert fit_clusters(X, 5, -1).k == 5


def test_clusters_come_largest_first_and_none_is_empty():
    X, _ = blobs(400, 6, 3, 0.05)
    copies = np.vstack([np.repeat(X[:1], 3000, axis=0), X])
    model = fit_clusters(copies, 40, seed=0)
    assert (np.diff(model.sizes) <= 0).all()
    assert model.sizes.min() >= 1
    assert model.sizes.sum() == len(copies)
    assert model.k == model.info["k"] <= model.info["k_requested"] == 40


def test_faiss_writes_nothing(capfd):
    X, _ = blobs(50, 4, 3, 0.5)
    fit_clusters(X, 10, seed=0)
    assert capfd.readouterr() == ("", "")


def test_zero_rows_are_left_out_of_the_fit_and_get_no_cluster():
    X, _ = blobs(300, 8, 3, 0.2)
    with_zeros = np.vstack([np.zeros((2, 8), np.float32), X, np.zeros((1, 8), np.float32)])
    plain, model = fit_clusters(X, 4, 2), fit_clusters(with_zeros, 4, 2)
    np.testing.assert_array_equal(model.centroids, plain.centroids)
    assert model.info["rows"] == 300
    assert model.info["rows_zero"] == 3
    labels, distance = assign(model, with_zeros)
    assert labels[[0, 1, -1]].tolist() == [-1, -1, -1]
    assert np.isnan(distance[[0, 1, -1]]).all()
    assert (labels[2:-1] >= 0).all()
    assert np.isfinite(distance[2:-1]).all()


def test_more_clusters_than_distinct_rows_gives_one_cluster_per_row_and_says_so():
    X = unit(np.array([[1, 0.0], [0, 1], [1, 1]]))[[0, 0, 1, 2, 2, 2]]
    model = fit_clusters(X, 5, seed=0)
    assert model.k == 3
    assert model.sizes.tolist() == [3, 2, 1]
    assert model.inertia == pytest.approx(0, abs=1e-6)
    assert model.info["warnings"] == ["only 3 distinct vectors for 5 clusters: one cluster per vector"]


def test_minus_zero_is_no_other_vector():
    X = np.array([[1, 0.0], [1, -0.0]], np.float32)
    assert fit_clusters(X, 2, seed=0).k == 1


@pytest.mark.parametrize("rows", [0, 4])
def test_a_pool_without_vectors_has_no_cluster(rows):
    X = np.zeros((rows, 3), np.float32)
    model = fit_clusters(X, 2, seed=0)
    assert model.k == 0
    assert model.inertia == 0
    assert model.info["warnings"] == ["no row has a vector: there are no clusters"]
    labels, distance = assign(model, X)
    assert labels.tolist() == [-1] * rows
    assert np.isnan(distance).all()


def test_rows_that_cancel_out_keep_a_unit_centroid():
    X = np.array([[1, 0], [-1, 0]], np.float32)
    model = fit_clusters(X, 1, seed=0)
    assert np.linalg.norm(model.centroids[0]) == pytest.approx(1)
    assert model.inertia == pytest.approx(2)


def test_rows_of_any_length_and_half_precision_are_taken_by_direction():
    X, _ = blobs(600, 8, 4, 0.2)
    lengths = np.random.default_rng(0).uniform(0.5, 4, (600, 1)).astype(np.float32)
    unit_model, long_model = fit_clusters(X, 4, 0), fit_clusters(X * lengths, 4, 0)
    np.testing.assert_allclose(long_model.centroids, unit_model.centroids, atol=1e-5)
    labels, distance = assign(unit_model, X)
    long_labels, long_distance = assign(unit_model, X * lengths)
    np.testing.assert_array_equal(labels, long_labels)
    np.testing.assert_allclose(distance, long_distance, atol=1e-5)
    half = fit_clusters(X.astype(np.float16), 4, 0)
    np.testing.assert_allclose(half.centroids, unit_model.centroids, atol=2e-3)


@settings(max_examples=20)
@given(st.integers(0, 2500), st.integers(1, 1200))
def test_a_row_gets_the_same_cluster_and_distance_in_any_company(first, rows):
    X, model = _COMPANY
    labels, distance = assign(model, X)
    part = slice(first, first + rows)
    part_labels, part_distance = assign(model, X[part])
    np.testing.assert_array_equal(part_labels, labels[part])
    np.testing.assert_array_equal(part_distance, distance[part])


_COMPANY = (blobs(2600, 20, 9, 0.6)[0], fit_clusters(blobs(2600, 20, 9, 0.6)[0], 33, 0, iterations=3))


def test_the_lowest_cluster_wins_a_tie():
    model = ClusterModel(np.array([[1, 0], [0, 1]], np.float32), np.array([1, 1]), np.zeros(2))
    assert assign(model, unit(np.array([[1.0, 1.0]])))[0].tolist() == [0]


def test_statistics_of_parts_merge_to_those_of_the_whole():
    labels = np.array([0, 2, 2, -1, 1, 2])
    distance = np.array([0.5, 0.25, 0.25, np.nan, 1.0, 0.125], np.float32)
    whole = cluster_stats(labels, distance, 4)
    merged = cluster_stats(labels[:3], distance[:3], 4).merge(cluster_stats(labels[3:], distance[3:], 4))
    assert merged.sizes.tolist() == whole.sizes.tolist() == [1, 1, 3, 0]
    assert merged.inertias.tolist() == whole.inertias.tolist() == [0.5, 1.0, 0.625, 0.0]
    assert (merged.unassigned, merged.empty, merged.inertia) == (1, 1, 2.125)
    with pytest.raises(ValueError, match="different models"):
        whole.merge(cluster_stats(labels, distance, 3))


def test_a_model_survives_safetensors():
    X, _ = blobs(200, 8, 3, 0.3)
    model = fit_clusters(X, 5, seed=0)
    back = ClusterModel.from_arrays(load(save(model.to_arrays())), model.info)
    np.testing.assert_array_equal(back.centroids, model.centroids)
    assert back.inertia == model.inertia
    assert back.info == model.info
    np.testing.assert_array_equal(assign(back, X)[0], assign(model, X)[0])


def test_arrays_that_are_no_model_are_refused():
    with pytest.raises(ValueError, match="'inertias', 'sizes'"):
        ClusterModel.from_arrays({"centroids": np.zeros((2, 2))})
    with pytest.raises(ValueError, match="disagree"):
        ClusterModel.from_arrays({"centroids": np.zeros((2, 2)), "sizes": np.zeros(3), "inertias": np.zeros(2)})


@pytest.mark.parametrize(("rows", "clusters"), [(0, 1), (1, 1), (3, 2), (10_000, 100), (10**9, 1000)])
def test_the_automatic_number_of_clusters_is_the_root_of_the_rows(rows, clusters):
    assert auto_k(rows) == clusters


def test_auto_counts_the_rows_that_have_a_vector():
    X, _ = blobs(100, 4, 3, 0.5)
    model = fit_clusters(np.vstack([X, np.zeros((300, 4), np.float32)]), "auto", seed=0)
    assert model.info["k_requested"] == 10
    assert fit_clusters(X, None, seed=0).info["k_requested"] == 10


@pytest.mark.parametrize(
    ("X", "k", "iterations", "message"),
    [
        (np.ones((3, 2), np.float32), 0, 5, "k is 0"),
        (np.ones((3, 2), np.float32), "many", 5, "k is 'many'"),
        (np.ones((3, 2), np.float32), True, 5, "k is True"),
        (np.ones((3, 2), np.float32), 2, 0, "iterations is 0"),
        (np.ones(3, np.float32), 2, 5, "floating point matrix"),
        (np.ones((3, 2), int), 2, 5, "floating point matrix"),
        (np.array([[1, 0], [np.nan, 1]], np.float32), 1, 5, "first at position 1"),
        (np.array([[np.inf, 0], [0, 1]], np.float32), 1, 5, "first at position 0"),
    ],
)
def test_input_that_cannot_be_clustered_is_named(X, k, iterations, message):
    with pytest.raises(ValueError, match=message):
        fit_clusters(X, k, 0, iterations)


def test_rows_of_another_representation_are_refused():
    model = fit_clusters(np.eye(3, dtype=np.float32), 2, 0)
    with pytest.raises(ValueError, match="same representation"):
        assign(model, np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match="NaN"):
        assign(model, np.full((1, 3), np.nan, np.float32))
