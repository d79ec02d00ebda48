"""What a sample says of all rows: shares with intervals, how many rows it takes, and where asking can be left out.

Belongs here: intervals of shares, also of a finite pool, and thresholds of a similarity that hold a promise. Does not:
which rows are drawn (``arrays.hash_sample``).
"""

import math
from dataclasses import dataclass

import numpy as np

Z = 1.959963984540054
"""Of 95 %."""


def wilson(successes: float, n: float, of: int | None = None, z: float = Z) -> tuple[float, float]:
    """Return the interval of a share (Wilson 1927); (0, 1) where nothing was looked at.

    Args:
        successes: rows of the sample that have the property.
        n: rows of the sample, drawn at random.
        of: rows that it was drawn from: a sample of half of them says more than one of a thousandth. The sample then
            counts as one of ``n (of - 1) / (of - n)``; None: drawn from very many.
        z: quantile of the normal distribution.
    """
    if n <= 0:
        return 0.0, 1.0
    if of is not None:
        if n >= of:
            return successes / n, successes / n
        scale = (of - 1) / (of - n)
        successes, n = successes * scale, n * scale
    p = successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def rows_needed(half_width: float, share: float = 0.5, of: int | None = None, z: float = Z) -> int:
    """Return how many rows must be looked at for an interval of ``share`` +- ``half_width``.

    ``n = z^2 p (1 - p) / e^2``, and of a finite pool ``n / (1 + (n - 1) / N)`` (Cochran, Sampling Techniques, 4.5).

    Raises:
        ValueError: the width is not positive.
    """
    if half_width <= 0:
        raise ValueError(f"an interval of half width {half_width:g} would take every row; give a positive number")
    n = z * z * share * (1 - share) / half_width**2
    return math.ceil(n if of is None else n / (1 + (n - 1) / of) - 1e-9)


@dataclass(frozen=True)
class Band:
    """Between which similarities pairs have to be asked.

    Attributes:
        low: pairs below are different without asking.
        high: pairs at or above are the same without asking.
        recall: lower bound of the share of same pairs that are at or above ``low``.
        precision: lower bound of the share of pairs at or above ``high`` that are the same.
    """

    low: float
    high: float
    recall: float
    precision: float


def pruning_band(similarity: np.ndarray, is_same: np.ndarray, recall: float = 0.95, precision: float = 0.95) -> Band:
    """Return the narrowest band whose promises the lower Wilson bounds of a labelled sample keep.

    Where no threshold keeps a promise, that side prunes nothing: ``low`` is -inf, ``high`` is inf.

    Args:
        similarity: (s,) of a random sample of pairs.
        is_same: (s,) bool, what the sample was labelled.
        recall: share of same pairs that must not be lost below ``low``.
        precision: share of pairs above ``high`` that must be the same.
    """
    similarity, is_same = np.asarray(similarity, np.float64), np.asarray(is_same, bool)
    matches = int(is_same.sum())
    low, found, high, sure = -math.inf, 1.0, math.inf, 1.0
    for threshold in np.unique(similarity)[::-1]:
        above = similarity >= threshold
        kept = int(is_same[above].sum())
        bound, _ = wilson(kept, matches) if matches else (0.0, 1.0)
        if low == -math.inf and bound >= recall:
            low, found = float(threshold), bound
        right, _ = wilson(kept, int(above.sum()))
        if right >= precision:
            high, sure = float(threshold), right
    # A lower threshold loses no more pairs, so that its promise still holds.
    return Band(min(low, high), high, found, sure)
