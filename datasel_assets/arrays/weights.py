"""Weights of rows that were drawn with unequal chances: their scale, what they cost, whole copies in their place.

Belongs here: arithmetic on weights. Does not belong here: where weights come from (``samplers``), files.
"""

from collections.abc import Sequence

import numpy as np

from datasel_assets.arrays.hash_sample import hash_keys

_ROUNDING = 0x5EED_0F_C0_91E5
"""Keeps the rounding apart from draws with the same seed: a row that was drawn has a key that is no longer uniform."""


def mean_one(weights: np.ndarray) -> np.ndarray:
    """Return weights (n,), none negative, scaled so that their mean is 1; ones where all of them are 0.

    >>> mean_one(np.array([1.0, 3.0])).tolist()
    [0.5, 1.5]
    """
    weights = np.asarray(weights, dtype=np.float64)
    total = weights.sum()
    return weights / total * len(weights) if total > 0 else np.ones(len(weights))


def effective_rows(weights: np.ndarray) -> float:
    """Return how many rows of equal weight have a mean as certain as these: (sum w)^2 / sum w^2.

    Kish, Survey Sampling (1965), section 11.2: n where all weigh the same, 1 where one row has all the weight.

    >>> effective_rows(np.array([2.0, 2.0, 2.0])), effective_rows(np.array([1.0, 0.0]))
    (3.0, 1.0)
    """
    weights = mean_one(weights)
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def whole_copies(row_ids: Sequence[str] | np.ndarray, weights: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    """Return how often each row stands in a file whose plain mean is to be the weighted mean of the rows.

    Stochastic rounding: a weight of 2.3, where the mean is 1, becomes 3 copies with probability .3 and otherwise 2, by
    a hash of the row id. So the expected number is the weight, as long as no row would exceed ``most``.

    Args:
        row_ids: n distinct ids.
        weights: (n,) none negative, of any scale.
        most: copies of a row at most; None: as many as its weight says.
        seed: another seed rounds anew.

    Returns:
        (n,) int64, not all 0 where there are rows.
    """
    uniform = (hash_keys(row_ids, seed ^ _ROUNDING) >> np.uint64(11)).astype(np.float64) / 2.0**53
    copies = np.floor(mean_one(weights) + uniform).astype(np.int64)
    return copies if most is None else np.minimum(copies, most)
