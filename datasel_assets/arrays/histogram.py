"""Histograms of a column of numbers. Belongs here: where bins lie and what falls into them. Not: drawing them."""

from dataclasses import dataclass

import numpy as np

BINS = 40
TAIL = 0.005
"""Share of the values at either end that may be gathered in the outermost bins."""
STRETCHED = 1.5
"""How many times wider than the middle of the values their whole range must be for that to be done."""


@dataclass(frozen=True)
class Bins:
    """Where values fall.

    Attributes:
        edges: float64 (b + 1,), ascending; b >= 1.
        below, above: whether the first and the last bin also hold what lies beyond them.
    """

    edges: np.ndarray
    below: bool
    above: bool

    def counts(self, values: np.ndarray) -> np.ndarray:
        """Return int64 (b,): how many of ``values`` (n,) fall into each bin; NaN falls into none."""
        known = values[np.isfinite(values)]
        return np.histogram(np.clip(known, self.edges[0], self.edges[-1]), self.edges)[0]


def bins_of(values: np.ndarray, n: int = BINS) -> Bins:
    """Return bins of equal width for a column.

    Whole numbers of a short range get a bin each. Where a few far values would press all others into one bin, the
    outermost bins gather them.

    Args:
        values: (m,) numbers; what is not finite does not count.
        n: bins at most.

    >>> bins_of(np.array([1.0, 2.0, 2.0, 4.0])).edges.tolist()
    [0.5, 1.5, 2.5, 3.5, 4.5]
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return Bins(np.array([0.0, 1.0]), False, False)
    low, high = known.min(), known.max()
    inner_low, inner_high = np.quantile(known, [TAIL, 1 - TAIL])
    if inner_high > inner_low and high - low > STRETCHED * (inner_high - inner_low):
        low, high = inner_low, inner_high
    below, above = bool(known.min() < low), bool(known.max() > high)
    if high - low < n and np.array_equal(known, np.round(known)):
        low, high = np.floor(low), np.ceil(high)
        return Bins(np.arange(low - 0.5, high + 1.0), below, above)
    if high == low:
        step = max(abs(low) * 1e-3, 1e-6)
        return Bins(np.array([low - step, low + step]), below, above)
    return Bins(np.linspace(low, high, n + 1), below, above)
