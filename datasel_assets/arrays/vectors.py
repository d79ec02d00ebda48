"""Vectors of rows that are read in blocks, so that the pool need not fit in memory as float32.

Belongs here: the protocol ``Vectors``, its in-memory implementations, and which rows have a direction. Not here: what
is computed from vectors, files.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from datasel_assets.arrays.float16 import float16_to_float32

BLOCK_ROWS = 4096
"""Rows per block where a sampler has no reason to prefer another number."""


@runtime_checkable
class Vectors(Protocol):
    """Rows of float vectors that are read in blocks, so that the pool need not fit in memory as float32.

    The rows are unit vectors, or zero where a row has no direction. Positions run from 0 to ``n`` - 1.
    """

    @property
    def n(self) -> int:
        """Number of rows."""
        ...

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        ...

    def blocks(self, max_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield every row once as ``(positions (m,) int64, rows (m, dim) float32)`` with ``m <= max_rows``.

        The row array may be reused for the next block: copy what must outlive the iteration.
        """
        ...

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows at ``indices`` (m,) as a new float32 array (m, dim)."""
        ...


class ArrayVectors:
    """``Vectors`` over one array in memory or memory-mapped.

    Args:
        array: (n, dim), float16, float32 or float64. float16 is widened block by block; float64 is rounded to float32.

    Raises:
        ValueError: the array is not two-dimensional or not of a float type.
    """

    def __init__(self, array: np.ndarray) -> None:
        if array.ndim != 2:
            raise ValueError(f"vectors must be a two-dimensional array (rows, dimensions), got shape {array.shape}")
        if array.dtype.kind != "f":
            raise ValueError(f"vectors must be float16, float32 or float64, got {array.dtype}")
        self.array = array

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.array.shape[0]

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.array.shape[1]

    def blocks(self, max_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield consecutive blocks; float32 input is not copied, other types share one buffer."""
        buffer = None
        for start in range(0, self.n, max_rows):
            stop = min(start + max_rows, self.n)
            block = self.array[start:stop]
            if block.dtype != np.float32 or not block.flags.c_contiguous:
                if buffer is None:
                    buffer = np.empty((min(max_rows, self.n), self.dim), dtype=np.float32)
                block = _widen(block, buffer[: stop - start])
            yield np.arange(start, stop, dtype=np.int64), block

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Gather rows into a new float32 array."""
        return _widen(self.array[indices], np.empty((len(indices), self.dim), dtype=np.float32))


class SubsetVectors:
    """The rows ``rows`` of other vectors, renumbered from 0: a group, or a sample of the pool.

    Args:
        base: where the rows are read from.
        rows: (m,) int64 positions in ``base``.
    """

    def __init__(self, base: Vectors, rows: np.ndarray) -> None:
        self.base = base
        self.rows = np.asarray(rows, dtype=np.int64)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.base.dim

    def blocks(self, max_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield consecutive blocks, gathered from the base."""
        for start in range(0, self.n, max_rows):
            rows = self.rows[start : start + max_rows]
            yield np.arange(start, start + len(rows), dtype=np.int64), self.base.take(rows)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Gather rows into a new float32 array."""
        return self.base.take(self.rows[indices])


class ScaledVectors:
    """Other vectors, each times a factor of its own.

    Args:
        base: n rows.
        factors: (n,).
    """

    def __init__(self, base: Vectors, factors: np.ndarray) -> None:
        self.base = base
        self.factors = np.asarray(factors, dtype=np.float32)[:, None]

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.base.n

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.base.dim

    def blocks(self, max_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield consecutive blocks of the base, multiplied."""
        for rows, block in self.base.blocks(max_rows):
            yield rows, block * self.factors[rows]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Gather rows into a new float32 array."""
        return self.base.take(indices) * self.factors[indices]


def squared_norms(block: np.ndarray) -> np.ndarray:
    """Return the squared length (m,) float32 of each row; NaN or infinite where the row is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.vecdot(block, block)


def directed(norms: np.ndarray) -> np.ndarray:
    """Return (m,) bool: the squared length is finite and above zero, so the row has a direction."""
    return (norms > 0) & (norms < np.inf)


def _widen(source: np.ndarray, out: np.ndarray) -> np.ndarray:
    if source.dtype == np.float16:
        return float16_to_float32(source, out)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, hence not usable
        np.copyto(out, source, casting="same_kind")
    return out
