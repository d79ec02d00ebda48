"""How near a subset comes to what the training is for: the quality of its rows, and examples of a target.

Belongs here: measures of rows that somebody aims at. Does not belong here: diversity and coverage (``subset``).
"""

import numpy as np

from datasel_assets.arrays.vectors import BLOCK_ROWS, Vectors
from datasel_assets.diagnostics.measures import Measure
from datasel_assets.indicators.blend import percentile_rank

QUALITY = Measure("quality", "quality", "high", "mean percentile rank in the pool of the first blend, 0 .. 1", "aims")


def target_measure(target: str) -> Measure:
    """Return the measure of closeness to a target: it may be low on purpose, so it is not held against anyone."""
    doc = f"mean over the chosen rows of the largest cosine to an example of the target {target}, -1 .. 1"
    return Measure(f"near_{target}", f"near {target}", "high", doc, "aims", judged=False)


def nearest_example(vectors: Vectors, missing: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Return the largest cosine of each row to an example, float64 (n,), NaN where the row has no vector.

    Args:
        vectors: n unit rows.
        missing: (n,) bool: the row has no vector.
        examples: (t, dim) unit rows, t > 0.
    """
    queries = np.asarray(examples, dtype=np.float32)
    found = np.full(vectors.n, np.nan)
    for rows, block in vectors.blocks(BLOCK_ROWS):
        found[rows] = (block @ queries.T).max(axis=1)
    found[missing] = np.nan
    return found


def known_ranks(scores: np.ndarray) -> np.ndarray:
    """Return the percentile rank of each score (n,) among those that are known, in (0, 1), NaN where it is not.

    >>> known_ranks(np.array([3.0, np.nan, 1.0])).tolist()
    [0.75, nan, 0.25]
    """
    known = ~np.isnan(scores)
    found = np.full(len(scores), np.nan)
    found[known] = percentile_rank(scores[known])
    return found


def known_mean(values: np.ndarray) -> float:
    """Return the mean of the values that are known; NaN where none is.

    >>> known_mean(np.array([1.0, np.nan, 2.0]))
    1.5
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
