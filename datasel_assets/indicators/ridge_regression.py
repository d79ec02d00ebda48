"""Ridge regression of a number on vectors, and what it is worth on rows that it has not seen.

Belongs here: the fit, its penalty, out-of-fold estimates, the value of a choice by estimates. Does not: classifiers
(``ridge``), where rows and values come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.linear_algebra import product, svd

PENALTIES = tuple(10.0 ** np.arange(-4, 5))
"""Penalties tried, times the mean squared singular value of the centred rows."""

FOLDS = 5

FEWEST = 20
"""Rows with a value below which nothing is estimated for others."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """A fitted line.

    Attributes:
        weights: (d,) float64.
        constant: of the line.
        penalty: that was chosen, as a multiple (see ``PENALTIES``).
    """

    weights: np.ndarray
    constant: float
    penalty: float

    def estimate(self, rows: np.ndarray) -> np.ndarray:
        """Return the estimates (n,) float64 of rows (n, d)."""
        return product(rows.astype(np.float64), self.weights[:, None])[:, 0] + self.constant


def fit_ridge(rows: np.ndarray, values: np.ndarray, penalties: Sequence[float] = PENALTIES) -> Ridge:
    """Return min sum |Xw + b - y|^2 + penalty |w|^2, with the penalty of the least leave-one-out error.

    The error without row i is that with it over 1 - h_i, h_i its leverage (PRESS, Allen 1974): no refitting. Of equal
    errors the larger penalty wins.

    Args:
        rows: (n, d), n >= 2.
        values: (n,) finite.
        penalties: multiples of the mean squared singular value of the centred rows.

    Raises:
        ValueError: fewer than two rows.
    """
    if len(rows) < 2:
        raise ValueError(f"{len(rows)} rows are too few for a regression")
    rows, values = rows.astype(np.float64), values.astype(np.float64)
    centre, mean = rows.mean(axis=0), float(values.mean())
    left, sizes, right = svd(rows - centre)
    squares, along = sizes**2, left.T @ (values - mean)
    scale = float(squares.mean()) or 1.0
    best: tuple[float, float, np.ndarray] | None = None
    for penalty in sorted(penalties, reverse=True):
        kept = squares / (squares + penalty * scale)
        leverage = 1 / len(rows) + (left**2) @ kept
        error = float(np.mean(((values - mean - left @ (kept * along)) / (1 - leverage).clip(min=1e-9)) ** 2))
        if best is None or error < best[0]:
            best = error, penalty, right.T @ (sizes / (squares + penalty * scale) * along)
    assert best is not None
    _, penalty, weights = best
    return Ridge(weights, mean - float(centre @ weights), penalty)


def out_of_fold(rows: np.ndarray, values: np.ndarray, folds: int = FOLDS) -> np.ndarray:
    """Return the estimate (n,) float64 of each row by a line that was fitted without its fold, penalty and all.

    Args:
        rows: (n, d) in a random order; row i is in fold i modulo ``folds``.
        values: (n,).
        folds: how many parts.
    """
    fold = np.arange(len(rows)) % folds
    found = np.full(len(rows), np.nan)
    for k in range(folds):
        out = fold == k
        if out.any() and (~out).sum() >= 2:
            found[out] = fit_ridge(rows[~out], values[~out]).estimate(rows[out])
    return found


def explained(values: np.ndarray, estimates: np.ndarray) -> float:
    """Return 1 - mean squared error / variance (R2): below 0 where the mean of all tells more than the estimates."""
    return 1 - float(np.mean((estimates - values) ** 2)) / (float(values.var()) or 1.0)


def value_of_choice(values: np.ndarray, estimates: np.ndarray, share: float) -> float:
    """Return what choosing by estimates is worth: 1 as much as the true best rows, 0 as much as random ones.

    (mean value of the chosen - mean of all) / (mean of the best - mean of all); NaN where all values are equal.

    Args:
        values: (n,) true values, high ones wanted.
        estimates: (n,) by which rows are chosen; ties by place.
        share: of the rows that are chosen, at least one row.
    """
    chosen = max(1, round(share * len(values)))
    best = np.sort(values)[-chosen:].mean() - values.mean()
    got = values[np.argsort(-estimates, kind="stable")[:chosen]].mean() - values.mean()
    return float(got / best) if best > 0 else float("nan")
