"""Columns of vectors as arrays and back."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from datasel_assets.storage.vectors import vector_array, vector_block, vector_type, vectors_of

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
WITH_NULLS = pa.array([[1, 2, 3], None, [4, 5, 6], None], vector_type(3))


def test_vectors_come_back_as_they_were_stored():
    column = vector_array(VECTORS)
    assert column.type == vector_type(3)
    np.testing.assert_array_equal(vector_block(column), VECTORS)
    np.testing.assert_array_equal(vectors_of(pl.Series(pl.from_arrow(column))), VECTORS)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_null_vector_is_all_zero_and_the_others_keep_their_rows(dtype: type):
    wanted = np.array([[1, 2, 3], [0, 0, 0], [4, 5, 6], [0, 0, 0]])
    for found in (vector_block(WITH_NULLS, dtype), vectors_of(pl.Series(pl.from_arrow(WITH_NULLS)), dtype)):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, wanted)


def test_a_slice_of_a_column_has_its_own_rows_and_nulls_only():
    np.testing.assert_array_equal(vector_block(WITH_NULLS[1:3]), [[0, 0, 0], [4, 5, 6]])
    np.testing.assert_array_equal(vector_block(WITH_NULLS[2:3]), [[4, 5, 6]])
    np.testing.assert_array_equal(vector_block(vector_array(VECTORS)[1:3]), VECTORS[1:3])


def test_a_column_in_chunks_is_one_array():
    chunked = pa.chunked_array([WITH_NULLS[:2], WITH_NULLS[2:]])
    np.testing.assert_array_equal(vector_block(chunked), vector_block(WITH_NULLS))


def test_a_column_of_nothing_but_nulls_has_its_width():
    np.testing.assert_array_equal(vector_block(pa.nulls(2, vector_type(3))), np.zeros((2, 3)))


def test_no_rows_are_an_array_of_their_width():
    assert vector_block(vector_array(np.empty((0, 3), np.float32))).shape == (0, 3)
