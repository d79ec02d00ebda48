"""The distribution of one number per row (length, tokens, score). Belongs here: quantiles and totals."""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Profile:
    """Summary of a column; NaN where nothing is known.

    Attributes:
        rows: rows with a value.
        missing: rows without (NaN).
        total: sum.
        mean, low, q05, q25, median, q75, q95, high: moments and linearly interpolated quantiles.
    """

    rows: int
    missing: int
    total: float
    mean: float
    low: float
    q05: float
    q25: float
    median: float
    q75: float
    q95: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return the fields as a plain dict, for a table."""
        return asdict(self)


def profile(values: np.ndarray) -> Profile:
    """Summarise one number per row.

    Args:
        values: (n,) numbers, NaN = not known.

    >>> profile(np.array([1.0, 2.0, 3.0, np.nan])).median
    2.0
    """
    values = np.asarray(values, np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return Profile(0, len(values), 0.0, *[float("nan")] * 8)
    quantiles = np.quantile(known, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    return Profile(
        len(known), len(values) - len(known), float(known.sum()), float(known.mean()), *map(float, quantiles)
    )
