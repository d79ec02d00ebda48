"""How redundant the vectors of a pool are: how many directions they use of those that they have.

Belongs here: figures of one set of vectors. Not here: which rows and layers (``tables.vectors.redundancy``), how many
different rows there are (``vendi``).

CRDS (arXiv 2602.13773) starts from the observation that hidden states of language models share most of their variance
among few directions. All figures depend on the number of rows where that is not many times the number of dimensions, so
compare those of equal samples.
"""

from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.linear_algebra import eigvalsh, product
from datasel_assets.diagnostics.hill import hill

RESOLUTION = 1e-6
"""Length of a centred row, relative to the longest row, under which it is the rounding of float32 or float16."""


@dataclass(frozen=True, eq=False)
class Redundancy:
    """Figures of n rows with d dimensions.

    Attributes:
        rows: n; rows without a direction are left out.
        dims: d.
        shares: (min(n, d),) float64 share of the variance along each principal axis, largest first; empty where all
            rows are equal.
        mean_cosine: over all pairs of different rows, as they are; NaN for fewer than two rows.
        mean_cosine_centred: likewise after the mean row is subtracted, rows without a direction then left out.
    """

    rows: int
    dims: int
    shares: np.ndarray
    mean_cosine: float
    mean_cosine_centred: float

    @property
    def effective_rank(self) -> float:
        """exp(H) of the shares (Roy and Vetterli 2007): k equal axes give k; 0 where all rows are equal."""
        return hill(self.shares)

    @property
    def participation_ratio(self) -> float:
        """(sum of variances)^2 / sum of squared variances: as the effective rank, but led by the largest axes."""
        return hill(self.shares, 2)

    @property
    def first_axis_share(self) -> float:
        """Share of the variance along the first axis; NaN where all rows are equal."""
        return float(self.shares[0]) if len(self.shares) else float("nan")

    def axes(self, share: float) -> int:
        """Return how many principal axes hold at least ``share`` of the variance."""
        # Shares of equal axes add up to a little less than they should.
        return int(np.searchsorted(np.cumsum(self.shares), share - 1e-12) + 1) if len(self.shares) else 0


def redundancy(vectors: np.ndarray) -> Redundancy:
    """Return the figures of rows.

    The variances are the eigenvalues of the covariance, from the smaller of the two matrices that have them: O(n d
    min(n, d)). The mean cosine of all pairs is (|sum of unit rows|^2 - n) / (n (n - 1)), with no pair formed.

    Args:
        vectors: (n, d) floating; rows that are zero have no direction and do not count.
    """
    rows = np.asarray(vectors, np.float64)
    lengths = np.sqrt(np.vecdot(rows, rows))
    rows, lengths = rows[lengths > 0], lengths[lengths > 0]
    n, d = rows.shape
    if not n:
        return Redundancy(0, d, np.zeros(0), float("nan"), float("nan"))
    centred = rows - rows.mean(axis=0)
    left = np.sqrt(np.vecdot(centred, centred))
    real = left > RESOLUTION * lengths.max()
    centred, left = centred[real], left[real]
    shares = np.zeros(0)
    if len(centred):
        matrix = product(centred.T, centred) if d <= len(centred) else product(centred, centred.T)
        values = eigvalsh(matrix)[::-1].clip(min=0.0)
        shares = values / values.sum()
    return Redundancy(n, d, shares, _mean_cosine(rows / lengths[:, None]), _mean_cosine(centred / left[:, None]))


def _mean_cosine(unit: np.ndarray) -> float:
    """Return the mean cosine of all pairs of different rows of length one."""
    n = len(unit)
    if n < 2:
        return float("nan")
    total = unit.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))
