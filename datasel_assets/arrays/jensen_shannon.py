"""How differently two sets fill the same groups. Belongs here: Jensen-Shannon divergence of two vectors of counts."""

from collections.abc import Sequence

import numpy as np


def jensen_shannon(p: Sequence[float] | np.ndarray, q: Sequence[float] | np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two distributions in bits (Lin 1991; survey Eq 35 with errata).

    JS = H((p + q) / 2) - (H(p) + H(q)) / 2 with H in base 2: 0 for equal shares, 1 where no group is filled by both.
    Its square root is a metric; ``scipy.spatial.distance.jensenshannon`` returns that root.

    Args:
        p: (g,) non-negative counts or weights of one set over the groups; brought to sum 1.
        q: (g,) the same for the other set.

    Returns:
        A number in [0, 1]; NaN where one of them counts nothing.

    Raises:
        ValueError: lengths differ, or a count is negative or not finite.

    >>> jensen_shannon([3, 1, 0], [0, 0, 2])
    1.0
    """
    a, b = np.asarray(p, np.float64).ravel(), np.asarray(q, np.float64).ravel()
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} groups: count both sets over the same groups")
    if np.any(a < 0) or np.any(b < 0) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a divergence needs finite counts >= 0")
    if not a.sum() or not b.sum():
        return float("nan")
    a, b = a / a.sum(), b / b.sum()
    middle = (a + b) / 2
    return float(np.clip((_relative(a, middle) + _relative(b, middle)) / 2, 0, 1))


def _relative(p: np.ndarray, m: np.ndarray) -> float:
    used = p > 0
    return float((p[used] * np.log2(p[used] / m[used])).sum())
