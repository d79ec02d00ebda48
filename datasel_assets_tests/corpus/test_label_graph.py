"""The label graph against all pairs written out."""

import numpy as np
import polars as pl

from datasel_assets.corpus.label_graph import label_graph


def graph(vectors: np.ndarray, threshold: float) -> pl.DataFrame:
    names = pl.Series([f"label {i:04d}" for i in range(len(vectors))], dtype=pl.String)
    return label_graph(names, pl.Series(range(len(vectors)), dtype=pl.Int64), vectors, threshold)


def test_it_lists_exactly_the_pairs_above_the_threshold_also_across_blocks():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((1500, 6)).astype(np.float32) * rng.uniform(0.1, 9, (1500, 1)).astype(np.float32)
    table = graph(vectors, 0.9)
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    sure = np.abs(cosine - 0.9) > 1e-5
    found = np.zeros((1500, 1500))
    names = {name: i for i, name in enumerate(table["label"])}
    for i, (near, similar) in enumerate(zip(table["neighbours"], table["similarities"], strict=True)):
        found[i, [names[name] for name in near]] = similar
    np.fill_diagonal(cosine, 0)
    assert ((found > 0) == (cosine >= 0.9))[sure].all()
    np.testing.assert_allclose(found[found > 0], cosine[found > 0], atol=2e-6)
    np.testing.assert_array_equal(found, found.T)
    assert table["degree"].to_list() == (found > 0).sum(axis=1).tolist()


def test_neighbours_come_by_similarity_and_then_by_place():
    table = graph(np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.0], [0.0, 1.0]]), 0.9)
    assert table["neighbours"].to_list() == [
        ["label 0002", "label 0001"],
        ["label 0000", "label 0002"],
        ["label 0000", "label 0001"],
        [],
    ]


def test_a_zero_vector_and_an_empty_graph_have_no_edges():
    assert graph(np.zeros((3, 2)), 0.1)["degree"].to_list() == [0, 0, 0]
    assert graph(np.empty((0, 2)), 0.5).height == 0


def test_a_threshold_of_one_keeps_equal_directions_only():
    assert graph(np.array([[3.0, 4.0], [6.0, 8.0], [4.0, 3.0]]), 1.0)["degree"].to_list() == [1, 1, 0]
