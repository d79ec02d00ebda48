"""Which pairs of rows are compared, and how strong each row is by the outcomes: Bradley and Terry.

Belongs here: planning pairs, strengths, Elo as a check. Does not: asking (``requests``).
"""

import numpy as np

from datasel_assets.arrays.hash_sample import hash_keys

ELO_START = 1000.0
ELO_STEP = 16.0


def ring_pairs(row_ids: np.ndarray, rings: int, seed: int) -> np.ndarray:
    """Return pairs of rows such that all rows are connected: closed rings through all of them.

    The order of a ring is that of a hash of the ids, so that a row that comes later changes few pairs.

    Args:
        row_ids: (n,) str.
        rings: each gives every row two pairs.
        seed: of the orders.

    Returns:
        int64 (p, 2) positions, the first of a pair before its other by the hash; no pair twice; empty below two rows.
    """
    n = len(row_ids)
    if n < 2:
        return np.empty((0, 2), np.int64)
    found: dict[frozenset[int], tuple[int, int]] = {}
    for ring in range(rings):
        order = np.lexsort((row_ids, hash_keys(row_ids, seed + ring)))
        for first, second in zip(order, np.roll(order, -1), strict=True):
            found.setdefault(frozenset((int(first), int(second))), (int(first), int(second)))
    return np.array(list(found.values()), np.int64)


def strengths(first: np.ndarray, second: np.ndarray, won: np.ndarray, n: int, ridge: float) -> np.ndarray:
    """Return the strengths (n,) float64 that maximise sum log P(outcome) - ridge/2 |s|^2, their mean 0.

    P(first preferred) = sigmoid(s_first - s_second) (Bradley and Terry 1952; QuRating, arXiv 2402.09739, Eq 1). An
    outcome between 0 and 1 counts as that share of a win. Of two rows that meet m times, the strength of the one that
    wins w of them is ln(w / (m - w)) above that of the other as the ridge goes to 0. NaN for a row never compared.

    Args:
        first: (p,) int positions.
        second: (p,) int positions.
        won: (p,) in [0, 1]: how much the first is preferred.
        n: number of rows.
        ridge: penalty; above 0.
    """
    from scipy.optimize import minimize

    def loss(s: np.ndarray) -> tuple[float, np.ndarray]:
        gap = s[first] - s[second]
        value = np.sum(np.logaddexp(0.0, gap) - won * gap) + 0.5 * ridge * (s @ s)
        slope = 1.0 / (1.0 + np.exp(-gap)) - won
        return float(value), (np.bincount(first, slope, n) - np.bincount(second, slope, n) + ridge * s)

    if not len(first):
        return np.full(n, np.nan)
    found = minimize(loss, np.zeros(n), jac=True, method="L-BFGS-B", options={"maxiter": 2000, "gtol": 1e-8, "ftol": 0})
    met = np.bincount(first, minlength=n) + np.bincount(second, minlength=n) > 0
    return np.where(met, found.x - found.x[met].mean(), np.nan)


def elo(first: np.ndarray, second: np.ndarray, won: np.ndarray, n: int) -> np.ndarray:
    """Return ratings (n,) after the comparisons in their order (Elo 1978, K = 16): a check of :func:`strengths`."""
    rating = np.full(n, ELO_START)
    for a, b, outcome in zip(first.tolist(), second.tolist(), won.tolist(), strict=True):
        change = ELO_STEP * (outcome - 1.0 / (1.0 + 10.0 ** ((rating[b] - rating[a]) / 400.0)))
        rating[a] += change
        rating[b] -= change
    return rating
