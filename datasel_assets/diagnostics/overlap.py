"""How much sets of rows have in common. Belongs here: Jaccard overlap of id sets."""

from collections.abc import Mapping, Sequence

import numpy as np


def jaccard(a: Sequence[str] | np.ndarray, b: Sequence[str] | np.ndarray) -> float:
    """Return |a and b| / |a or b| of two sets of ids; two empty sets are equal, hence 1.

    >>> jaccard(["x", "y"], ["y", "z"])
    0.3333333333333333
    """
    return float(jaccard_matrix({"a": a, "b": b})[0, 1])


def jaccard_matrix(sets: Mapping[str, Sequence[str] | np.ndarray]) -> np.ndarray:
    """Return the Jaccard overlap of every pair of id sets, in the order of the mapping.

    Args:
        sets: name -> ids; repeats within a set count once.

    Returns:
        float64 (m, m), symmetric, ones on the diagonal.
    """
    columns = [np.unique(np.asarray(ids, dtype=np.str_)) for ids in sets.values()]
    m = len(columns)
    overlap = np.eye(m)
    if not m:
        return overlap
    # Numbers instead of strings: each pair is then one merge of sorted integers.
    codes = np.unique(np.concatenate(columns), return_inverse=True)[1]
    edges = np.cumsum([len(column) for column in columns])[:-1]
    numbered = np.split(codes, edges)
    for i in range(m):
        for j in range(i + 1, m):
            common = len(np.intersect1d(numbered[i], numbered[j], assume_unique=True))
            union = len(numbered[i]) + len(numbered[j]) - common
            overlap[i, j] = overlap[j, i] = common / union if union else 1.0
    return overlap
