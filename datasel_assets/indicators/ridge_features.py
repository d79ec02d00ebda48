"""Vectors and further numbers of rows as the columns of one regression.

Belongs here: their scales. Does not: the regression (``ridge_regression``), where vectors and numbers come from.
"""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class Scaling:
    """Vectors and further numbers side by side, on scales that one penalty suits.

    Vectors are centred and divided by one number, so that their axes keep their proportions; of other numbers, which
    have long tails, sign(x) log(1 + |x|) is centred and divided by its own deviation, and a missing one is the mean.

    Attributes:
        centre: (d,) mean of the vectors.
        scale: (1,) root of the mean variance of their coordinates.
        mean: (k,) of the other numbers' logarithms.
        deviation: (k,) theirs.
    """

    centre: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, numbers: np.ndarray) -> "Scaling":
        """Return the scales of rows: vectors (n, d) and further numbers (n, k), NaN where one is missing."""
        centre = vectors.mean(axis=0, dtype=np.float64)
        scale = np.array([float(np.sqrt(vectors.var(axis=0, dtype=np.float64).mean())) or 1.0])
        logs = _logs(numbers)
        known = np.isfinite(logs)
        counts = known.sum(axis=0).clip(min=1)
        mean = np.where(known, logs, 0).sum(axis=0) / counts
        deviation = np.sqrt((np.where(known, logs - mean, 0) ** 2).sum(axis=0) / counts)
        # What is left of equal numbers is rounding, which must not be blown up.
        return cls(centre, scale, mean, np.where(deviation > 1e-9 * (1 + np.abs(mean)), deviation, 1.0))

    def features(self, vectors: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return (n, dims + scores) float64."""
        logs = (_logs(numbers) - self.mean) / self.deviation
        return np.concatenate([(vectors - self.centre) / self.scale, np.where(np.isfinite(logs), logs, 0)], axis=1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the attributes by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _logs(numbers: np.ndarray) -> np.ndarray:
    return np.sign(numbers) * np.log1p(np.abs(numbers))
