"""Optimal transport between two sets of vectors: how much has to be moved how far to turn one into the other.

Belongs here: the exact cost between equally many points. Does not: what is concluded from it.
"""

import numpy as np


def transport_cost(cost: np.ndarray) -> float:
    """Return the least mean cost at which n points of equal weight are moved onto n others.

    With equally many points an optimal plan moves each point as a whole (Birkhoff), so that it is an assignment, which
    is solved exactly in O(n^3).

    Args:
        cost: (n, n) of moving a point of a row onto that of a column.

    Raises:
        ValueError: it is not square, or empty.
    """
    from scipy.optimize import linear_sum_assignment

    if cost.ndim != 2 or cost.shape[0] != cost.shape[1] or not len(cost):
        raise ValueError(f"transport is computed between equally many points, at least one; the costs are {cost.shape}")
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


def likeness(first: np.ndarray, second: np.ndarray, at: int, draws: int, seed: int) -> float:
    """Return 1 less the transport cost between samples of two sets of unit vectors, of equal size, by cosine distance.

    The cost falls with the size of the samples although the sets stay as they are (32 dimensions, the same distribution
    twice: 1.00 with 1 point, .85 with 3, .65 with 30 against 200), so sets are compared at one size.

    Args:
        first: (n, d) unit vectors, at least one.
        second: (m, d).
        at: points of a sample; as many as the smaller set has, where that is fewer.
        draws: samples whose mean counts; one is enough where both sets are taken whole.
        seed: of the samples.
    """
    size = min(at, len(first), len(second))
    distances = 1 - first.astype(np.float64) @ second.astype(np.float64).T
    found = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        rows = rng.choice(len(first), size, replace=False)
        columns = rng.choice(len(second), size, replace=False)
        found.append(1 - transport_cost(distances[np.ix_(rows, columns)]))
        if size == len(first) == len(second):
            break
    return float(np.mean(found))
