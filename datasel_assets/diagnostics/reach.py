"""How well a subset stands for its pool. Belongs here: the nearest chosen row of every row, and what it sums up to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.arrays.vectors import BLOCK_ROWS, SubsetVectors, Vectors
from datasel_assets.diagnostics.directions import rows_with_direction, unit

MAX_ROWS = 20_000
_CHOSEN = 4096


@dataclass(frozen=True)
class Reach:
    """Nearest chosen row of the rows of a pool, as cosines of unit vectors.

    Attributes:
        facility_location: mean over rows of max(0, cosine to the nearest chosen row), in [0, 1]: the objective of
            facility location over the number of rows.
        radius: largest Euclidean distance sqrt(2 - 2 cos) to the nearest chosen row: the objective of k-center.
        gap: mean Euclidean distance to the nearest chosen row.
        rows: rows of the pool with a direction.
        used: rows looked at; where below ``rows``, the means are estimates and the radius is a lower bound.
    """

    facility_location: float
    radius: float
    gap: float
    rows: int
    used: int

    @property
    def sampled(self) -> bool:
        """Whether the figures are of a sample."""
        return self.used < self.rows


def reach(
    pool: Vectors,
    chosen: np.ndarray,
    row_ids: Sequence[str] | np.ndarray | None = None,
    *,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> Reach:
    """Return how near the chosen rows come to every row of the pool.

    f(S) = (1/n) sum_i max(0, max_{j in S} cos(x_i, x_j)) (survey Eq 44) and r(S) = max_i min_{j in S} ||x_i - x_j||
    (Sener and Savarese 2018, Eq 42): both grow better, the first up and the second down, with every row added.

    The cost is min(n, max_rows) * b * d multiplications; memory is the chosen rows and one block of 4096 x 4096.

    Args:
        pool: n rows; those without a direction are left out, those not of unit length are brought to it.
        chosen: (b,) positions in the pool.
        row_ids: n ids; they choose the sample where the pool is larger than ``max_rows``.
        max_rows: rows of the pool looked at.
        seed: chooses the sample.

    Returns:
        The figures; NaN where nothing is chosen or the pool is empty.

    Raises:
        ValueError: the pool is larger than ``max_rows`` and no ids are given.
    """
    used = rows_with_direction(pool)
    rows = len(used)
    if rows > max_rows:
        if row_ids is None:
            raise ValueError(f"{rows} rows are more than {max_rows}: give row_ids, by which a sample is chosen")
        used = used[np.sort(hash_sample(np.asarray(row_ids)[used], max_rows, seed))]
    chosen = np.asarray(chosen, np.int64)
    centres = unit(pool.take(chosen[rows_with_direction(SubsetVectors(pool, chosen))]))
    if not len(centres) or not len(used):
        nothing = float("nan")
        return Reach(nothing, nothing, nothing, rows, len(used))
    best = np.full(len(used), -1.0, np.float32)
    for at, block in SubsetVectors(pool, used).blocks(BLOCK_ROWS):
        rows_at = unit(block)
        for start in range(0, len(centres), _CHOSEN):
            best[at] = np.maximum(best[at], (rows_at @ centres[start : start + _CHOSEN].T).max(axis=1))
    cosines = np.minimum(best.astype(np.float64), 1)
    # Twice the rounding of a float32 cosine near 1 is 3e-4 as a distance: a chosen row is at 0 from itself.
    away = np.sqrt(2 - 2 * np.where(cosines > 1 - 1e-6, 1, cosines))
    return Reach(float(np.maximum(cosines, 0).mean()), float(away.max()), float(away.mean()), rows, len(used))
