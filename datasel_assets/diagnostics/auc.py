"""How well a number tells one kind of rows from another. Not here: which rows are of which kind."""

import numpy as np


def auc(values: np.ndarray, marked: np.ndarray) -> tuple[float, float]:
    """Return the area under the ROC curve of a number for marked rows, and its standard error.

    The probability that a marked row has a larger value than another one, ties counted half; the error is that of
    DeLong et al. (1988). NaN where one kind is missing.

    Args:
        values: (n,) float; rows without a number are left out.
        marked: (n,) bool.
    """
    known = np.isfinite(values)
    above, below = values[known & marked], values[known & ~marked]
    if len(above) < 2 or len(below) < 2:
        return float("nan"), float("nan")
    of_marked, of_others = _shares_below(above, below), 1 - _shares_below(below, above)
    error = np.sqrt(of_marked.var(ddof=1) / len(above) + of_others.var(ddof=1) / len(below))
    return float(of_marked.mean()), float(error)


def best_cut(values: np.ndarray, marked: np.ndarray) -> tuple[float, float, float]:
    """Return the bound that tells marked rows best, and the shares of marked rows and of others at or above it.

    The bound is where the difference of both shares is largest (Youden 1950), the highest of equals. NaN where one kind
    is missing.

    Args:
        values: (n,) float; rows without a number are left out.
        marked: (n,) bool.
    """
    known = np.isfinite(values)
    above, below = np.sort(values[known & marked]), np.sort(values[known & ~marked])
    if not len(above) or not len(below):
        return float("nan"), float("nan"), float("nan")
    bounds = np.unique(values[known])[::-1]
    found = 1 - np.searchsorted(above, bounds) / len(above)
    others = 1 - np.searchsorted(below, bounds) / len(below)
    best = int((found - others).argmax())
    return float(bounds[best]), float(found[best]), float(others[best])


def _shares_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each value the share of the others below it, ties counted half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))
