"""A fixed cost and a rate, fitted to a few measurements. Does not belong here: what is measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALL = 0.05
"""Share of the largest measurement below which differences are noise: what a measurement weighs goes by its size."""


@dataclass(frozen=True)
class Line:
    """``y = fixed + rate * x``; neither is negative."""

    fixed: float
    rate: float

    def at(self, x: float) -> float:
        """Return ``y``."""
        return self.fixed + self.rate * x


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Return the line through measurements that has the least squares of relative errors.

    A part that comes out negative is zero: nothing costs less for being more, and nothing costs less than nothing. A
    single size says nothing about a fixed cost, so that all of it is taken for the rate.

    Args:
        x: amounts of work.
        y: what each cost, in the same order.

    Raises:
        ValueError: there are no measurements, or not one ``y`` for each ``x``.
    """
    if not x or len(x) != len(y):
        raise ValueError(f"{len(x)} amounts of work for {len(y)} costs: give one cost for each, and one at least")
    work, cost = np.asarray(x, np.float64), np.asarray(y, np.float64)
    weight = 1 / (np.abs(cost) + SMALL * max(float(np.abs(cost).max()), 1e-12))
    rate_alone = _scale(work * weight, cost * weight)
    if len(np.unique(work)) == 1:
        return Line(0.0, max(rate_alone, 0.0)) if work[0] > 0 else Line(max(float(cost.mean()), 0.0), 0.0)
    design = np.stack([weight, work * weight], axis=1)
    (fixed, rate), *_ = np.linalg.lstsq(design, cost * weight, rcond=None)
    if rate < 0:
        return Line(max(_scale(weight, cost * weight), 0.0), 0.0)
    return Line(float(fixed), float(rate)) if fixed >= 0 else Line(0.0, max(rate_alone, 0.0))


def _scale(x: np.ndarray, y: np.ndarray) -> float:
    """Return the factor of ``x`` that comes nearest to ``y``."""
    return float(x @ y / max(float(x @ x), 1e-300))
