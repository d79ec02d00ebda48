"""How far the rows of a set lie apart. Belongs here: exact nearest-neighbour distances inside a set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.hash_sample import hash_sample

MAX_ROWS = 20_000
_BLOCK = 1024


@dataclass(frozen=True)
class NearestDistance:
    """Mean nearest-neighbour distance of a set.

    Attributes:
        mean: mean over rows of 1 - cosine to the nearest other row; NaN below two rows.
        rows: rows of the set that have a vector.
        used: rows looked at; below ``rows`` when the set was cut to a hash sample, which makes distances larger.
        left_out: rows without a vector (zero).
    """

    mean: float
    rows: int
    used: int
    left_out: int

    @property
    def sampled(self) -> bool:
        """Whether the figure is of a sample."""
        return self.used < self.rows


def nearest_distances(X: np.ndarray) -> np.ndarray:
    """Return for each row 1 - cosine to the nearest other row: exact, by blocked matrix products.

    Each pair of blocks is multiplied once and read along both axes; memory beyond ``X`` is one block of 1024 x 1024.

    Args:
        X: (n, d) unit rows.

    Returns:
        float32 (n,) in [0, 2]; NaN when there is no other row.
    """
    X = np.asarray(X, np.float32)
    n = len(X)
    best = np.full(n, -np.inf, np.float32)
    for i in range(0, n, _BLOCK):
        rows = X[i : i + _BLOCK]
        for j in range(i, n, _BLOCK):
            cosines = rows @ X[j : j + _BLOCK].T
            if i == j:
                np.fill_diagonal(cosines, -np.inf)
            np.maximum(best[i : i + _BLOCK], cosines.max(axis=1), out=best[i : i + _BLOCK])
            if i != j:
                np.maximum(best[j : j + _BLOCK], cosines.max(axis=0), out=best[j : j + _BLOCK])
    if n < 2:
        return np.full(n, np.nan, np.float32)
    return np.clip(1 - best, 0, 2)


def mean_nearest(
    X: np.ndarray, row_ids: Sequence[str] | np.ndarray, *, max_rows: int = MAX_ROWS, seed: int = 0
) -> NearestDistance:
    """Return the mean nearest-neighbour distance of a set of rows: near 0 for a set full of repeats.

    The cost is n^2 d / 2 products, so a set above ``max_rows`` is cut to the hash sample of its ids, the same for
    any order of the rows. Compare sets of equal size: distances shrink as a set grows.

    Args:
        X: (n, d) unit rows; zero rows are left out.
        row_ids: n ids.
        max_rows: largest set that is computed whole.
        seed: chooses the sample.

    Raises:
        ValueError: ids and rows differ in number.
    """
    X = np.asarray(X)
    if len(X) != len(row_ids):
        raise ValueError(f"{len(row_ids)} ids for {len(X)} rows")
    present = np.flatnonzero(X.any(axis=1))
    sample = present
    if len(present) > max_rows:
        sample = present[np.sort(hash_sample(np.asarray(row_ids)[present], max_rows, seed))]
    distances = nearest_distances(X[sample])
    mean = float(distances.mean(dtype=np.float64)) if len(sample) > 1 else float("nan")
    return NearestDistance(mean, len(present), len(sample), len(X) - len(present))
