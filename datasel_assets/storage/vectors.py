"""Columns of vectors: lists of a fixed size in Arrow and Polars, as (n, d) arrays and back, without Python lists.

Belongs here: the type that vectors are stored in, and both directions. Does not: which table has them, and what they
mean.
"""

import numpy as np
import polars as pl
import pyarrow as pa


def vector_type(dim: int) -> pa.DataType:
    """Return the Arrow type of a stored vector: a list of ``dim`` float16."""
    return pa.list_(pa.float16(), dim)


def vector_array(vectors: np.ndarray) -> pa.FixedSizeListArray:
    """Return (n, d) vectors as a column of :func:`vector_type`."""
    flat = np.ascontiguousarray(vectors, dtype=np.float16).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.shape[1])


def vector_block(column: pa.Array | pa.ChunkedArray, dtype: type = np.float32) -> np.ndarray:
    """Return a column of vectors as an (n, d) array; a null vector is all zero."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = array.type.list_size
    known = array.flatten().to_numpy(zero_copy_only=False).reshape(-1, width).astype(dtype, copy=False)
    if not array.null_count:
        return known
    found = np.zeros((len(array), width), dtype)
    found[array.is_valid().to_numpy(zero_copy_only=False)] = known
    return found


def vectors_of(column: pl.Series, dtype: type = np.float32) -> np.ndarray:
    """Return a column of vectors as an (n, d) array; a null vector is all zero."""
    return vector_block(column.to_arrow(compat_level=pl.CompatLevel.oldest()), dtype)
