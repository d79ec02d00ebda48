"""The Gram matrix of projected gradients, and dividing by it: TRAK's kernel.

Belongs here: the arithmetic. Does not: gradients and projections (:mod:`~datasel_assets.models.gradients`), tables.
"""

import numpy as np

from datasel_assets.arrays.linear_algebra import product, solve


class Gram:
    """Phi^T Phi of rows that come block by block, with their mean.

    Attributes:
        rows: rows with a gradient.
    """

    def __init__(self, dims: int) -> None:
        """Begin with no rows of ``dims`` numbers."""
        self._sum, self._total, self.rows = np.zeros((dims, dims)), np.zeros(dims), 0

    def add(self, block: np.ndarray) -> None:
        """Add projected gradients (m, dims) float64; rows of zeros have none."""
        self._sum += product(block.T, block)
        self._total += block.sum(axis=0)
        self.rows += int(block.any(axis=1).sum())

    @property
    def mean(self) -> np.ndarray:
        """(dims,) mean of the rows that have a gradient."""
        return self._total / max(self.rows, 1)

    def divide(self, gradients: np.ndarray, damping: float) -> np.ndarray:
        """Return (Phi^T Phi + lambda I)^-1 g for gradients (m, dims), lambda = ``damping`` times the mean eigenvalue.

        TRAK (Park et al. 2023, arXiv 2303.14186), Eq 13, which has no lambda: without it the matrix of fewer rows than
        numbers cannot be inverted. Zero where no row has a gradient.
        """
        added = damping * float(np.trace(self._sum)) / len(self._sum)
        if not added:
            return np.zeros_like(gradients)
        return solve(self._sum + added * np.eye(len(self._sum)), gradients.T).T
