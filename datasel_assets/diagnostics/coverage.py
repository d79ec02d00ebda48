"""How widely a set of rows spreads over groups (sources, clusters). Belongs here: groups with a row of the set."""

from dataclasses import dataclass

import numpy as np

from datasel_assets.diagnostics.hill import hill


@dataclass(frozen=True)
class Coverage:
    """Spread of rows over groups.

    Attributes:
        groups: groups there are in the pool.
        covered: groups with at least one row of the set.
        effective: Hill number of order 1, the number of equally filled groups with the same entropy.
    """

    groups: int
    covered: int
    effective: float

    @property
    def share(self) -> float:
        """Covered groups / groups; NaN without groups."""
        return self.covered / self.groups if self.groups else float("nan")


def coverage(labels: np.ndarray, groups: int) -> Coverage:
    """Return how a set of rows covers ``groups`` numbered groups.

    Args:
        labels: int (n,), group of each row; negative = none, left out.
        groups: number of groups in the pool; every label is below it.

    Raises:
        ValueError: a label is not below ``groups``.
    """
    labels = np.asarray(labels, np.int64)
    if labels.max(initial=-1) >= groups:
        raise ValueError(f"label {labels.max()} for {groups} groups: labels and pool come from different clusterings")
    counts = np.bincount(labels[labels >= 0], minlength=groups)
    return Coverage(groups, int((counts > 0).sum()), hill(counts))
