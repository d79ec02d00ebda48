"""Similarities between all rows of a pool, or between nearest neighbours only. Not here: objectives over them.

A similarity is the cosine clipped at 0, in whole ticks of 2**-24: non-negative, as coverage needs it, and summed
without rounding. The coordinates of unit vectors are whole multiples of 2**-26, so that float64 products and their sums
(multiples of 2**-52, at most about 1) are exact too: copies tie, and the order of summation, which depends on the
number of threads and on the processor, changes no similarity.
"""

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
from pydantic import Field

from datasel_assets.arrays.vectors import Vectors
from datasel_assets.schema import StrictModel

ONE = 2.0**24
"""Ticks of similarity 1."""

STORED_ROWS = 20_000
"""Up to so many rows the n x n similarities are kept (4 bytes each); above, lines of it are computed when needed."""

CACHE_BYTES = 2**28

_GRID = 2.0**26
_FEW = 32
_BLOCK = 512
_LINES = 64


class SimilarityParams(StrictModel, frozen=True):
    """Which similarities count.

    Attributes:
        neighbours: None compares every pair: memory 4 n^2 bytes up to 20,000 rows, and 4 n d bytes + 256 MB above,
            where lines are computed again and again. A number keeps that many nearest other rows of each row, made
            symmetric by union, and similarity 1 to itself: 12 bytes per kept pair; every other pair counts 0.
    """

    neighbours: int | None = Field(default=None, ge=1)


class Dense:
    """All similarities of n rows, a line at a time.

    Args:
        vectors: n rows with a direction; scaled to unit length.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.n = vectors.n
        self.stored = self.n <= STORED_ROWS
        units = unit_rows(vectors)
        if self.stored:
            self.matrix = _all_pairs(units)
            self.room = self.n
        else:
            self.units = units
            self.room = max(_LINES, CACHE_BYTES // (4 * self.n))
            self.matrix = np.empty((self.room, self.n), dtype=np.int32)
            self.line_of: OrderedDict[int, int] = OrderedDict()  # least recently used first

    @property
    def batch(self) -> int:
        """How many lines are worth asking for at once."""
        return 4 if self.stored else _LINES

    def parts(self, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (slice of ``rows``, lines of ``matrix`` that hold their similarities to all rows)."""
        if self.stored:
            yield slice(0, len(rows)), rows
            return
        for start in range(0, len(rows), _LINES):
            part = slice(start, min(start + _LINES, len(rows)))
            yield part, self._cached(rows[part])

    def line(self, row: int) -> int:
        """Return the line of ``matrix`` that holds the similarities of one row; valid until the next call."""
        ((_, lines),) = self.parts(np.array([row], dtype=np.int64))
        return int(lines[0])

    def sums(self) -> np.ndarray:
        """Return (n,) float64 whole numbers: the ticks of each row added up."""
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import line_sums

        totals = np.empty(self.n)
        for part, lines in self.parts(np.arange(self.n)):
            line_sums(self.matrix, lines, totals[part])
        return totals

    def above(self, floor: np.ndarray) -> "Sparse | None":
        """Return the similarities s_ij > ``floor[i]`` of each row j, or None when they are more than one in ``_FEW``.

        Args:
            floor: (n,) int32 ticks.
        """
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import count_above, list_above

        counts = np.zeros(self.n + 1, dtype=np.int64)
        some = np.arange(0, self.n, max(1, self.n // _LINES))
        for part, lines in self.parts(some):
            count_above(self.matrix, lines, floor, counts[part])
        if counts[: len(some)].sum() * _FEW > len(some) * self.n:
            return None
        indices, values = [], []
        for part, lines in self.parts(np.arange(self.n)):
            here = counts[1:][part]
            count_above(self.matrix, lines, floor, here)
            found = np.empty((2, here.sum() + 1), dtype=np.int32)
            list_above(self.matrix, lines, floor, found[0], found[1])
            indices.append(found[0, :-1])
            values.append(found[1, :-1])
        counts[0] = 0
        indptr = np.cumsum(counts)
        if self.stored:
            return Sparse(indptr, indices[0], values[0])
        return Sparse(indptr, np.concatenate(indices), np.concatenate(values))

    def _cached(self, rows: np.ndarray) -> np.ndarray:
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import store_lines

        wanted = rows.tolist()
        for row in wanted:
            if row in self.line_of:
                self.line_of.move_to_end(row)
        missing = [row for row in wanted if row not in self.line_of]
        for row in missing:
            used = len(self.line_of)
            self.line_of[row] = used if used < self.room else self.line_of.popitem(last=False)[1]
        if missing:
            lines = np.array([self.line_of[row] for row in missing], dtype=np.int64)
            others = self.units[missing].astype(np.float64).T
            for first, block in _wide_blocks(self.units):
                store_lines(block @ others, ONE, first, lines, self.matrix)
        return np.array([self.line_of[row] for row in wanted], dtype=np.int64)


class Sparse:
    """Similarities between nearest neighbours, symmetric, as CSR.

    Args:
        indptr: (n + 1,) int64.
        indices: int32 columns, ascending inside a row.
        values: int32 ticks.
    """

    batch = 8

    def __init__(self, indptr: np.ndarray, indices: np.ndarray, values: np.ndarray) -> None:
        self.indptr, self.indices, self.values = indptr, indices, values
        self.n = len(indptr) - 1

    @classmethod
    def of_neighbours(cls, index: np.ndarray, similarity: np.ndarray) -> "Sparse":
        """Make a k-NN graph symmetric: a pair counts when either row lists the other.

        Args:
            index: (n, k) int64 neighbours, -1 for none.
            similarity: (n, k) cosines; what is not above 0 is left out.
        """
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import symmetric, to_ticks

        ticks = np.empty(index.shape, dtype=np.int32)
        to_ticks(np.where(index >= 0, similarity, 0), ONE, ticks)
        return cls(*symmetric(np.ascontiguousarray(index, np.int64), ticks, np.int32(ONE)))

    def line(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the neighbours (m,) and ticks (m,) of one row."""
        part = slice(self.indptr[row], self.indptr[row + 1])
        return self.indices[part], self.values[part]

    def above(self, floor: np.ndarray) -> "Sparse":
        """Return the similarities s_ij > ``floor[i]``."""
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import sparse_list_above

        return Sparse(*sparse_list_above(self.indptr, self.indices, self.values, floor))

    def sums(self) -> np.ndarray:
        """Return (n,) float64 whole numbers: the ticks of each row added up."""
        return np.add.reduceat(self.values, self.indptr[:-1], dtype=np.int64).astype(np.float64)


def similarities(vectors: Vectors, params: SimilarityParams) -> Dense | Sparse:
    """Return the similarities that ``params`` asks for; neighbours are exact up to 200,000 rows (``neighbours``)."""
    if params.neighbours is None:
        return Dense(vectors)
    from datasel_assets.arrays.nearest_neighbours import nearest_neighbours

    found = nearest_neighbours(unit_rows(vectors), min(params.neighbours, max(vectors.n - 1, 1)))
    distance = found.distance.astype(np.float64)
    return Sparse.of_neighbours(found.index, 1 - distance * distance / 2)


def unit_rows(vectors: Vectors) -> np.ndarray:
    """Return all rows (n, dim) float32 at unit length, their coordinates rounded to multiples of 2**-26."""
    units = np.empty((vectors.n, vectors.dim), dtype=np.float32)
    for rows, block in vectors.blocks(4096):
        wide = block.astype(np.float64)
        wide *= (_GRID / np.sqrt(np.vecdot(wide, wide)))[:, None]
        units[rows] = np.rint(wide, out=wide)
    units /= _GRID
    return units


def _wide_blocks(units: np.ndarray, start: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (position of the first, float64 rows) of blocks from ``start`` on."""
    for first in range(start, len(units), _BLOCK):
        yield first, units[first : first + _BLOCK].astype(np.float64)


def _all_pairs(units: np.ndarray) -> np.ndarray:
    """Return the ticks (n, n) between rows; each pair of blocks is multiplied once, for both its places."""
    from datasel_assets.samplers.greedy.objectives.coverage_kernels import store_pair

    matrix = np.empty((len(units), len(units)), dtype=np.int32)
    for first, block in _wide_blocks(units):
        for second, other in _wide_blocks(units, first):
            store_pair(block @ other.T, ONE, first, second, matrix)
    return matrix
