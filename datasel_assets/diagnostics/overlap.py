"""How much sets of rows have in common. Belongs here: Jaccard overlap of id sets."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl


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


def overlap_pairs(names: Sequence[str], matrix: np.ndarray, limit: int) -> pl.DataFrame:
    """Return the pairs of sets that have most in common: columns a, b, overlap; largest first, then by name.

    Args:
        names: m names.
        matrix: (m, m) from ``jaccard_matrix``.
        limit: most pairs returned.
    """
    values = np.asarray(matrix, np.float64).reshape(len(names), len(names)).tolist()
    pairs = [(names[i], names[j], values[i][j]) for i, j in combinations(range(len(names)), 2)]
    rows = sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))[:limit]
    return pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String, "overlap": pl.Float64}, orient="row")
