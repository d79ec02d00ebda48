"""Clusters of numbers on a line. Belongs here: k-means in one dimension. Not here: vectors (``kmeans``)."""

import numpy as np

ROUNDS = 100


def split_line(values: np.ndarray, k: int) -> np.ndarray:
    """Return (n,) int64 clusters of numbers by k-means, 0 for the smallest: Lloyd's algorithm from the quantiles.

    The same for any order of the numbers and without a seed. Where fewer than ``k`` distinct numbers are, there are as
    many clusters as these.

    Args:
        values: (n,) finite.
        k: clusters, at most.
    """
    values = np.asarray(values, np.float64)
    distinct = np.unique(values)
    if not len(distinct):
        return np.zeros(0, np.int64)
    k = min(k, len(distinct))
    centres = np.quantile(distinct, (np.arange(k) + 0.5) / k)
    labels = np.zeros(len(values), np.int64)
    for _ in range(ROUNDS):
        labels = np.searchsorted((centres[1:] + centres[:-1]) / 2, values, side="left")
        counts = np.bincount(labels, minlength=k)
        means = np.where(counts > 0, np.bincount(labels, values, k) / np.maximum(counts, 1), centres)
        if np.array_equal(means, centres):
            break
        centres = means
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
