"""Rows that have a direction, at length one. Belongs here: what every diagnostic of vectors does first."""

from collections.abc import Iterator

import numpy as np

from datasel_assets.arrays.vectors import BLOCK_ROWS, Vectors, directed, squared_norms


def rows_with_direction(vectors: Vectors) -> np.ndarray:
    """Return the positions (m,) int64 of the rows that are finite and not zero, ascending; one pass."""
    found = [at[directed(squared_norms(block))] for at, block in vectors.blocks(BLOCK_ROWS)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def unit_blocks(vectors: Vectors) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (positions (m,), float64 rows (m, d) of length one) of the rows that have a direction."""
    for at, block in vectors.blocks(BLOCK_ROWS):
        used = directed(squared_norms(block))
        yield at[used], unit(block[used].astype(np.float64))


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows (m, d), none of them zero, at length one, in their own precision."""
    return rows / np.sqrt(np.vecdot(rows, rows))[:, None]
