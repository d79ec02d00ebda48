"""Whether a judge can be relied on: ties, length, other judges, the place of a text in a pair.

Belongs here: figures about scores. Does not: the scores (``scoring``), agreement of many who answer (``crowd``).
"""

import numpy as np


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of the ranks of a and b (n,) where both are known; NaN where one is constant."""
    return _correlation(*_ranks(a, b))


def spearman_given(a: np.ndarray, b: np.ndarray, given: np.ndarray) -> float:
    """Return the partial correlation of the ranks of a and b, that of ``given`` taken out of both (all (n,)).

    (r_ab - r_ac r_bc) / sqrt((1 - r_ac^2)(1 - r_bc^2)); NaN where one is constant or told by ``given`` alone.
    """
    x, y, z = _ranks(a, b, given)
    ab, ac, bc = _correlation(x, y), _correlation(x, z), _correlation(y, z)
    rest = (1 - ac**2) * (1 - bc**2)
    return (ab - ac * bc) / float(np.sqrt(rest)) if rest > 1e-12 else float("nan")


def ties(values: np.ndarray) -> tuple[int, float]:
    """Return how many different values there are, and the share of rows with the commonest one."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0, float("nan")
    counts = np.unique(known, return_counts=True)[1]
    return len(counts), float(counts.max() / len(known))


def _ranks(*columns: np.ndarray) -> list[np.ndarray]:
    from scipy.stats import rankdata

    known = np.logical_and.reduce([np.isfinite(column) for column in columns])
    return [rankdata(column[known]) for column in columns]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
