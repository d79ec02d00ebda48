"""A linear model of answers: from the rows that were asked about to all others.

Belongs here: when it is worth fitting, and how well it tells rows that it has not seen. Does not: the regression
(``indicators.ridge_regression``), where vectors come from.
"""

import numpy as np

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.indicators.ridge_regression import FEWEST, Ridge, explained, fit_ridge, out_of_fold


def distil(vectors: np.ndarray, values: np.ndarray, row_ids: np.ndarray, folds: int) -> tuple[Ridge, float]:
    """Fit answers on vectors; return the line and its R2 on rows that it had not seen.

    Args:
        vectors: (n, d).
        values: (n,) float64.
        row_ids: (n,) str; rows are dealt to folds by their hash.
        folds: parts that are left out in turn.

    Raises:
        ValueError: there are too few rows, or all have the same value.
    """
    if len(values) < FEWEST:
        raise ValueError(f"{len(values)} rows have an answer, and at least {FEWEST} are needed to tell the others by")
    if np.ptp(values) == 0:
        raise ValueError("all answers are the same: there is nothing to tell rows apart by")
    order = np.argsort(hash_keys(row_ids, 0), kind="stable")
    vectors, values = vectors[order], values[order]
    return fit_ridge(vectors, values), explained(values, out_of_fold(vectors, values, folds))
