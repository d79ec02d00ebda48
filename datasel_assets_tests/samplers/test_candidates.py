"""Parts of the pool that must fit together, ties, and rows that are not usable."""

import numpy as np
import pytest

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates
from datasel_assets.samplers.candidates import Tags, usable_rows


def test_a_float64_beyond_float32_becomes_a_row_that_is_not_usable():
    pool = Candidates(np.array(["a", "b"]), vectors=ArrayVectors(np.array([[1e300, 0.0], [1.0, 0.0]])))
    assert usable_rows(pool, frozenset({"vectors"})).tolist() == [False, True]


def test_ties_are_places_in_the_order_of_row_ids():
    assert Candidates(np.array(["b", "c", "a"])).ties.tolist() == [1, 2, 0]
    assert Candidates(np.array(["a", "b", "c"])).ties.tolist() == [0, 1, 2]
    assert Candidates(np.array(["x"])).ties.tolist() == [0]


def test_a_repeated_row_id_is_refused_by_name():
    with pytest.raises(ValueError, match="'b' occurs more than once"):
        _ = Candidates(np.array(["b", "a", "b"])).ties


def test_tags_of_pairs_are_the_sets_of_the_rows_and_rows_without_a_pair_have_none():
    sets = [[], [0, 3], [], [2], [0, 1, 2, 3], []]
    pairs = [(row, label) for row, labels in enumerate(sets) for label in labels]
    tags = Tags.of_pairs(*np.array(pairs, np.uint32).T, n=6, size=5)
    assert [tags.indices[tags.indptr[i] : tags.indptr[i + 1]].tolist() for i in range(6)] == sets
    assert (tags.n, tags.size, tags.indptr.dtype, tags.indices.dtype) == (6, 5, np.int64, np.int32)
    nothing = Tags.of_pairs(np.empty(0, np.uint32), np.empty(0, np.int32), n=2, size=0)
    assert (nothing.counts.tolist(), nothing.indices.tolist()) == ([0, 0], [])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"scores": np.ones(3)}, "scores has shape"),
        ({"eligible": np.ones(1, bool)}, "eligible has shape"),
        ({"vectors": ArrayVectors(np.ones((3, 2)))}, "vectors has 3 rows, expected 2"),
        ({"queries": np.ones((0, 2))}, "t >= 1"),
        ({"queries": np.ones((1, 3)), "vectors": ArrayVectors(np.ones((2, 2)))}, "same representation"),
        ({"queries": np.ones((2, 2)), "query_tasks": np.array([1])}, "1 labels for 2 queries"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Candidates(np.array(["a", "b"]), **parts)
