"""Blocks and rows of vectors, and arrays that are none."""

import numpy as np
import pytest

from datasel_assets.arrays.vectors import ArrayVectors, SubsetVectors, Vectors


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_blocks_give_every_row_once_as_float32(dtype, block):
    array = np.random.default_rng(0).standard_normal((7, 4)).astype(dtype)
    vectors = ArrayVectors(array)
    assert isinstance(vectors, Vectors)
    copies = [(rows, part.copy()) for rows, part in vectors.blocks(block)]
    assert max(len(rows) for rows, _ in copies) <= block
    assert {part.dtype for _, part in copies} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in copies]), np.arange(7))
    np.testing.assert_array_equal(np.concatenate([part for _, part in copies]), array.astype(np.float32))
    np.testing.assert_array_equal(vectors.take(np.array([6, 0, 6])), array.astype(np.float32)[[6, 0, 6]])


def test_a_subset_renumbers_rows():
    array = np.arange(20, dtype=np.float32).reshape(10, 2)
    subset = SubsetVectors(ArrayVectors(array), np.array([7, 1, 4]))
    assert (subset.n, subset.dim) == (3, 2)
    np.testing.assert_array_equal(np.concatenate([part for _, part in subset.blocks(2)]), array[[7, 1, 4]])
    np.testing.assert_array_equal(subset.take(np.array([2])), array[[4]])


@pytest.mark.parametrize(("array", "message"), [(np.ones(3), "two-dimensional"), (np.ones((2, 2), int), "float16")])
def test_arrays_that_are_no_vectors_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        ArrayVectors(array)
