"""The label graph against all pairs written out."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.corpus.label_graph import (
    adjacency,
    graph_figures,
    label_graph,
    least_similarity,
    one_sided_edges,
)


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


SQUARE = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [-1.0, 0.0]])
"""Two pairs of neighbours and a label alone."""


def test_the_matrix_of_a_graph_holds_each_similarity_at_the_numbers_of_its_labels():
    table = graph(SQUARE, 0.9)
    similar = np.float32(np.round(1 / np.sqrt(1.01), 6))
    expected = np.zeros((5, 5))
    expected[[0, 1, 2, 3], [1, 0, 3, 2]] = similar
    np.testing.assert_allclose(adjacency(table).toarray(), expected, atol=1e-6)
    assert adjacency(table).nnz == 4


@pytest.mark.parametrize("labels", [0, 1, 3])
def test_the_matrix_of_a_graph_without_edges_is_empty(labels: int):
    found = adjacency(graph(np.eye(max(labels, 1))[:labels], 0.5))
    assert found.shape == (labels, labels)
    assert found.nnz == 0


def test_the_matrix_of_a_graph_is_that_of_its_lists():
    vectors = np.random.default_rng(4).standard_normal((200, 4))
    table = graph(vectors, 0.8)
    found = adjacency(table).toarray()
    names = table["label"].to_list()
    for i, (near, similar) in enumerate(zip(table["neighbours"], table["similarities"], strict=True)):
        assert dict(zip(near, similar, strict=True)) == {names[j]: found[i, j] for j in np.flatnonzero(found[i])}


def test_the_figures_of_a_graph_are_those_counted_by_hand():
    assert graph_figures(graph(SQUARE, 0.9)) == {
        "labels": 5,
        "edges": 2,
        "sparsity": pytest.approx(1 - 2 / 10),
        "mean_degree": pytest.approx(4 / 5),
        "degree_50": 1,
        "degree_90": 1,
        "degree_99": 1,
        "degree_100": 1,
        "labels_without_neighbours": 1,
    }


def test_a_graph_of_one_label_or_none_has_no_pairs_and_is_sparse():
    for labels in (0, 1):
        figures = graph_figures(graph(np.ones((labels, 2)), 0.5))
        assert (figures["sparsity"], figures["mean_degree"], figures["degree_100"]) == (1, 0, 0)


def test_an_edge_that_only_one_end_knows_is_noticed():
    table = graph(SQUARE, 0.9)
    assert one_sided_edges(table) == 0
    forgotten = label_graph(table["label"], table["rows"], SQUARE * [[0], [1], [1], [1], [1]], 0.9)
    assert one_sided_edges(pl.concat([forgotten[:1], table[1:]])) == 1


def test_ends_of_an_edge_that_disagree_on_its_similarity_are_noticed():
    table = graph(SQUARE, 0.9)
    turned = SQUARE.copy()
    turned[1] = [1.0, 0.2]
    other = graph(turned, 0.9)
    assert one_sided_edges(pl.concat([other[:1], table[1:]])) == 2


def test_the_least_similarity_is_that_of_the_weakest_edge():
    table = graph(np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.5]]), 0.85)
    assert least_similarity(table) == pytest.approx(1 / np.sqrt(1.25), abs=1e-6)
    assert least_similarity(graph(np.zeros((3, 2)), 0.1)) == 1
