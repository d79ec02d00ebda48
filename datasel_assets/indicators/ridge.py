"""A linear classifier in closed form: ridge regression on one column of +1 and -1 per label, the largest output wins.

Belongs here: its weights, and what it says of each row when it has not seen that row. Does not: where rows and labels
come from.
"""

import numpy as np

from datasel_assets.arrays.linear_algebra import product, solve


def ridge_classifier(rows: np.ndarray, labels: np.ndarray, k: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, k), constants (k,), float64: min sum |W'x + b - y|^2 + penalty |W|^2, y = +1 for the label, else -1.

    Args:
        rows: (n, d) float64.
        labels: (n,) int below ``k``.
        k: number of labels.
        ridge: penalty, times the trace of the scatter matrix over d.
    """
    n = len(rows)
    centre, rows, scatter = _centred(rows, ridge)
    # With centred rows the -1 of the other labels falls out: what remains is twice the sum of the rows of each label.
    weights = solve(scatter, product(rows.T, 2.0 * (labels[:, None] == np.arange(k))))
    counts = np.bincount(labels, minlength=k)
    return weights, 2.0 * counts / n - 1.0 - centre @ weights


def leave_one_out(rows: np.ndarray, labels: np.ndarray, k: int, ridge: float) -> np.ndarray:
    """Return the label (n,) int64 that each row gets from the classifier fitted on all others.

    Exact and without refitting: the residual without row i is that with it over 1 - h_i, h_i its leverage (PRESS,
    Allen 1974), as long as the penalty stays that of all rows.

    Args:
        rows: (n, d) float64, n >= 2.
        labels: (n,) int below ``k``.
        k: number of labels.
        ridge: as in :func:`ridge_classifier`.
    """
    truth = 2.0 * (labels[:, None] == np.arange(k)) - 1
    _, rows, scatter = _centred(rows, ridge)
    slopes = solve(scatter, rows.T)
    leverage = 1 / len(rows) + np.einsum("ij,ji->i", rows, slopes)
    found = truth.mean(axis=0) + product(rows, product(slopes, truth))
    return (truth - (truth - found) / (1 - leverage)[:, None]).argmax(axis=1)


def _centred(rows: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean (d,), the centred rows (n, d) and their scatter matrix (d, d), the penalty on its diagonal."""
    d = rows.shape[1]
    centre = rows.mean(axis=0)
    rows = rows - centre
    scatter = product(rows.T, rows)
    penalty = ridge * np.trace(scatter) / d
    scatter[np.diag_indices(d)] += penalty if penalty > 0 else 1.0
    return centre, rows, scatter
