"""How widely a set of rows spreads over groups (sources, clusters). Belongs here: covered groups, Hill numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Coverage:
    """Spread of rows over groups.

    Attributes:
        groups: groups there are in the pool.
        covered: groups with at least one row of the set.
        effective: Hill number of order 1, the number of equally filled groups with the same entropy.
    """

    groups: int
    covered: int
    effective: float

    @property
    def share(self) -> float:
        """Covered groups / groups; NaN without groups."""
        return self.covered / self.groups if self.groups else float("nan")


def hill(counts: Sequence[float] | np.ndarray, q: float = 1.0) -> float:
    """Return the Hill number of order ``q``, the effective number of groups (Hill 1973; Jost 2006).

    D_q = (sum_i p_i^q)^(1 / (1 - q)); D_0 counts the groups in use, D_1 = exp(Shannon entropy), D_2 = 1 / Simpson,
    D_inf = 1 / max p. Equal shares over g groups give g for every q.

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
    shares = used / used.sum()
    if q == 1:
        return float(np.exp(-(shares * np.log(shares)).sum()))
    if np.isinf(q):
        return float(1 / shares.max())
    return float((shares**q).sum() ** (1 / (1 - q)))


def coverage(labels: np.ndarray, groups: int) -> Coverage:
    """Return how a set of rows covers ``groups`` numbered groups.

    Args:
        labels: int (n,), group of each row; negative = none, left out.
        groups: number of groups in the pool; every label is below it.

    Raises:
        ValueError: a label is not below ``groups``.
    """
    labels = np.asarray(labels, np.int64)
    if labels.max(initial=-1) >= groups:
        raise ValueError(f"label {labels.max()} for {groups} groups: labels and pool come from different clusterings")
    counts = np.bincount(labels[labels >= 0], minlength=groups)
    return Coverage(groups, int((counts > 0).sum()), hill(counts))
