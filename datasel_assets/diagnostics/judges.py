"""Whether a judge can be relied on: ties, length, other judges, the place of a text in a pair.

Belongs here: figures about scores. Does not: the scores (``answers.scoring``), agreement of many who answer.
"""

import numpy as np

from datasel_assets.crowd.agreement import krippendorff_alpha
from datasel_assets.diagnostics.lds import spearman


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's correlation of a and b (n,) over the rows where both are known; NaN where one is constant."""
    return spearman(*_known(a, b))


def correlation_given(a: np.ndarray, b: np.ndarray, given: np.ndarray) -> float:
    """Return the partial correlation of the ranks of a and b, that of ``given`` taken out of both (all (n,)).

    (r_ab - r_ac r_bc) / sqrt((1 - r_ac^2)(1 - r_bc^2)); NaN where one is constant or told by ``given`` alone.
    """
    x, y, z = _known(a, b, given)
    ab, ac, bc = spearman(x, y), spearman(x, z), spearman(y, z)
    rest = (1 - ac**2) * (1 - bc**2)
    return (ab - ac * bc) / float(np.sqrt(rest)) if rest > 1e-12 else float("nan")


MOST_VALUES = 64
"""Different values up to which agreement beyond chance is told; finer scores are compared by their ranks."""


def alpha(a: np.ndarray, b: np.ndarray) -> float:
    """Return Krippendorff's alpha of two judges on one scale, by the squares of their differences.

    1: they say the same; 0: they agree as far as two who deal their grades out at random. A judge who is always a grade
    stricter agrees less here and not less in rank. NaN with more than ``MOST_VALUES`` different values.
    """
    a, b = _known(a, b)
    values, number = np.unique(np.concatenate([a, b]), return_inverse=True)
    if len(values) > MOST_VALUES or not len(a):
        return float("nan")
    return krippendorff_alpha(np.tile(np.arange(len(a)), 2), number, "interval", values)


def ties(values: np.ndarray) -> tuple[int, float]:
    """Return how many different values there are, and the share of rows with the commonest one."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0, float("nan")
    counts = np.unique(known, return_counts=True)[1]
    return len(counts), float(counts.max() / len(known))


def _known(*columns: np.ndarray) -> list[np.ndarray]:
    """Return the values of the rows that all columns have."""
    known = np.logical_and.reduce([np.isfinite(column) for column in columns])
    return [column[known] for column in columns]
