"""Diversity of shares: Hill numbers and the entropies behind them. Belongs here: numbers of one vector of counts.

Not here: what is counted (``coverage`` for groups, ``vendi`` for the spectrum of vectors).
"""

from collections.abc import Sequence

import numpy as np


def hill(counts: Sequence[float] | np.ndarray, q: float = 1.0) -> float:
    """Return the Hill number of order ``q``, the effective number of groups (Hill 1973; Jost 2006).

    D_q = (sum_i p_i^q)^(1 / (1 - q)); D_0 counts the groups in use, D_1 = exp(Shannon entropy), D_2 = 1 / Simpson,
    D_inf = 1 / max p. Equal shares over g groups give g for every q. (The survey's Eq 38 prints Simpson's
    concentration as a diversity: it falls as diversity grows; D_2 is its inverse.)

    Args:
        counts: non-negative counts or weights, any shape.
        q: order, >= 0; ``float("inf")`` is allowed.

    Returns:
        A number in [1, groups in use], or 0 when nothing is counted.

    Raises:
        ValueError: a count is negative or not finite, or q is negative.
    """
    counts = np.asarray(counts, np.float64).ravel()
    if q < 0 or np.isnan(q) or np.any(counts < 0) or not np.isfinite(counts).all():
        raise ValueError("a Hill number needs q >= 0 and finite counts >= 0")
    used = counts[counts > 0]
    if not len(used):
        return 0.0
    return float(np.exp(_entropy(used / used.sum(), q)))


def renyi(counts: Sequence[float] | np.ndarray, q: float = 1.0) -> float:
    """Return the Renyi entropy of order ``q`` in nats: the logarithm of the Hill number (Renyi 1961).

    H_q = ln(sum_i p_i^q) / (1 - q); H_1 is Shannon's. In [0, ln groups in use]; NaN when nothing is counted.

    Raises:
        ValueError: as ``hill``.
    """
    effective = hill(counts, q)
    return float(np.log(effective)) if effective else float("nan")


def evenness(counts: Sequence[float] | np.ndarray, groups: int) -> float:
    """Return Shannon's entropy over the largest that ``groups`` groups allow (Pielou 1966).

    H_1 / ln(groups): 1 when all groups are filled alike, 0 when one holds everything.

    Args:
        counts: non-negative counts; groups without a row may be left out.
        groups: groups that could be filled, at least those in use.

    Returns:
        A number in [0, 1]; NaN when nothing is counted or there are fewer than two groups.

    Raises:
        ValueError: more groups are in use than there are.
    """
    used = int(np.count_nonzero(np.asarray(counts)))
    if used > groups:
        raise ValueError(f"{used} groups hold something, but there are {groups}: count groups of the same kind")
    return min(renyi(counts) / float(np.log(groups)), 1.0) if used and groups > 1 else float("nan")


def _entropy(shares: np.ndarray, q: float) -> float:
    if np.isinf(q):
        return -float(np.log(shares.max()))
    logs = np.log(shares)
    # Near 1 the quotient is 0 / 0 and loses its digits to cancellation: two terms of the series in q - 1 are exact
    # to the square of what is left out. H_q = -E[ln p] + (1 - q) / 2 Var[ln p] + ..., moments under p.
    mean = float((shares * logs).sum())
    if abs(q - 1) < 1e-6:
        return -mean + (1 - q) / 2 * float((shares * (logs - mean) ** 2).sum())
    scaled = q * logs
    top = scaled.max()
    return float((top + np.log(np.exp(scaled - top).sum())) / (1 - q))
