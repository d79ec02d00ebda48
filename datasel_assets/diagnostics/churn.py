"""Two versions of one selection. Belongs here: which rows entered and which left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Churn:
    """Difference of two selections.

    Attributes:
        kept: rows in both.
        entered: ids of the rows that only the later one has, in its order.
        left: ids of the rows that only the earlier one has, in its order.
    """

    kept: int
    entered: np.ndarray
    left: np.ndarray

    @property
    def before(self) -> int:
        """Rows of the earlier selection."""
        return self.kept + len(self.left)

    @property
    def after(self) -> int:
        """Rows of the later selection."""
        return self.kept + len(self.entered)

    @property
    def rate(self) -> float:
        """Share of the earlier rows that left; NaN when there were none."""
        return len(self.left) / self.before if self.before else float("nan")

    @property
    def overlap(self) -> float:
        """Jaccard overlap of the earlier and the later rows; two empty selections are equal, hence 1."""
        either = self.before + len(self.entered)
        return self.kept / either if either else 1.0


def churn(before: Sequence[str] | np.ndarray, after: Sequence[str] | np.ndarray) -> Churn:
    """Return what changed between two selections, each without repeats.

    >>> churn(["a", "b", "c"], ["c", "d"]).left.tolist()
    ['a', 'b']
    """
    old, new = np.asarray(before, dtype=np.str_), np.asarray(after, dtype=np.str_)
    stays, known = np.isin(old, new), np.isin(new, old)
    return Churn(int(stays.sum()), new[~known], old[~stays])
