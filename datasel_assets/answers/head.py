"""A linear model of answers: from the rows that were asked about to all others.

Belongs here: fitting it, and how well it tells rows that it has not seen. Does not: where vectors come from.
"""

from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.arrays.linear_algebra import product, solve

LEAST_ROWS = 20
"""Fewer answers say nothing about rows that were not asked about."""


@dataclass(frozen=True, eq=False)
class Head:
    """Ridge regression from vectors to a score.

    Attributes:
        weights: (d,) float64.
        constant: float.
        rows: that it was fitted on.
        r2: share of the variance that is told of rows that were left out; below 0 where their mean tells more.
        unseen: (n,) values of the rows by models that had not seen them.
    """

    weights: np.ndarray
    constant: float
    rows: int
    r2: float
    unseen: np.ndarray

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Return the score (m,) float64 of vectors (m, d)."""
        return vectors @ self.weights + self.constant


def fit_head(vectors: np.ndarray, values: np.ndarray, row_ids: np.ndarray, ridge: float, folds: int) -> Head:
    """Fit values on vectors.

    Rows are dealt to folds by the hash of their ids. The error is that of rows that a model has not seen, against
    the mean of the rows that it has.

    Args:
        vectors: (n, d).
        values: (n,) float64.
        row_ids: (n,) str.
        ridge: penalty, times n and the mean variance of a number of the vectors.
        folds: parts that are left out in turn.

    Raises:
        ValueError: there are too few rows, or all have the same value.
    """
    n = len(values)
    if n < LEAST_ROWS:
        raise ValueError(f"{n} rows have an answer, and at least {LEAST_ROWS} are needed to tell the others by")
    if np.ptp(values) == 0:
        raise ValueError("all answers are the same: there is nothing to tell rows apart by")
    vectors = vectors.astype(np.float64)
    fold = np.argsort(np.argsort(hash_keys(row_ids, 0), kind="stable"), kind="stable") % folds
    unseen, baseline = np.empty(n), np.empty(n)
    for part in range(folds):
        out = fold == part
        weights, constant = _ridge(vectors[~out], values[~out], ridge)
        unseen[out] = vectors[out] @ weights + constant
        baseline[out] = values[~out].mean()
    r2 = 1.0 - float(((values - unseen) ** 2).sum() / ((values - baseline) ** 2).sum())
    weights, constant = _ridge(vectors, values, ridge)
    return Head(weights, constant, n, r2, unseen)


def _ridge(vectors: np.ndarray, values: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Return weights (d,) and constant of min |V w + b - y|^2 + penalty |w|^2."""
    centre, mean = vectors.mean(axis=0), values.mean()
    rows = vectors - centre
    scatter = product(rows.T, rows)
    penalty = ridge * np.trace(scatter) / scatter.shape[0]
    scatter[np.diag_indices_from(scatter)] += penalty if penalty > 0 else 1.0
    weights = solve(scatter, product(rows.T, values - mean))
    return weights, float(mean - centre @ weights)
