"""Random signs that depend on nothing but where they stand. Belongs here: the generator. Not: the projection itself."""

from functools import lru_cache

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@lru_cache(maxsize=8)
def signs(seed: int, layers: int, dim: int, columns: int) -> np.ndarray:
    """Return the (layers, dim, columns) int8 matrix of -1 and +1 of CRDS-R (arXiv 2602.13773).

    Every entry is the top bit of a hash of (seed, layer, row, column), so the matrix is the same on any machine, shard
    or batch, and a matrix with more layers or columns contains the smaller one. The reference draws from a CUDA stream
    instead, which no other device reproduces. About 7 ns an entry, once: the array is cached and read-only.
    """
    row = np.arange(dim, dtype=np.uint64)[:, None]
    column = np.arange(columns, dtype=np.uint64)[None, :]
    counter = _mix((row << np.uint64(32)) | column)
    matrix = np.empty((layers, dim, columns), dtype=np.int8)
    for layer in range(layers):
        key = _mix(_mix(np.array([seed], dtype=np.int64).view(np.uint64)) + np.uint64(layer))
        matrix[layer] = (_mix(counter ^ key) >> np.uint64(63)).astype(np.int8) * np.int8(2) - np.int8(1)
    matrix.setflags(write=False)
    return matrix


def columns_per_layer(dims_per_layer: int | str, layers: int, dim: int) -> int | None:
    """Return the number of columns for each layer, or None where the layer is kept as it is.

    ``auto`` is floor(dim / layers), and a single layer is not projected at all: CRDS-R with one layer is RDS+.

    Raises:
        ValueError: more layers than dimensions, or more columns than dimensions.
    """
    if dims_per_layer == "auto":
        if layers == 1:
            return None
        if layers > dim:
            raise ValueError(f"{layers} layers of {dim} dimensions leave no column each: set dims_per_layer")
        return dim // layers
    columns = int(dims_per_layer)
    if columns > dim:
        raise ValueError(f"dims_per_layer {columns} exceeds the {dim} dimensions of a layer: use at most {dim}")
    return columns


def _mix(value: np.ndarray) -> np.ndarray:
    """Return splitmix64's finaliser of ``value`` (Steele et al. 2014), element by element, modulo 2^64."""
    value = value + _GOLDEN
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))
