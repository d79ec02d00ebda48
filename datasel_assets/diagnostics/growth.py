"""How the cost of an operation grows with the rows. Belongs here: the fitted power law."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Growth:
    """Power law: seconds = constant * n^exponent.

    Attributes:
        exponent: slope on doubly logarithmic axes: 1 = linear, 2 = quadratic; NaN below two different sizes.
        constant: seconds at n = 1.
    """

    exponent: float
    constant: float

    def seconds(self, n: np.ndarray | float) -> np.ndarray:
        """Return what the law gives for ``n`` rows."""
        return self.constant * np.asarray(n, np.float64) ** self.exponent


def fit_growth(n: Sequence[float] | np.ndarray, seconds: Sequence[float] | np.ndarray) -> Growth:
    """Fit a power law by least squares of log seconds on log n.

    Small n tell of fixed costs and not of growth: give sizes at which the operation takes well above a start-up.

    Args:
        n: sizes.
        seconds: what each took; pairs that are not positive and finite are left out.

    Raises:
        ValueError: sizes and seconds differ in number.
    """
    n, seconds = np.asarray(n, np.float64), np.asarray(seconds, np.float64)
    if len(n) != len(seconds):
        raise ValueError(f"{len(n)} sizes for {len(seconds)} times: give one time for each size")
    known = np.isfinite(n) & np.isfinite(seconds) & (n > 0) & (seconds > 0)
    x, y = np.log(n[known]), np.log(seconds[known])
    if len(np.unique(x)) < 2:
        return Growth(float("nan"), float("nan"))
    exponent = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    return Growth(exponent, float(np.exp(y.mean() - exponent * x.mean())))
