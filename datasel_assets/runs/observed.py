"""What a series of trainings led to, subset by subset, and how much of it is the luck of seeds.

Belongs here: means over seeds, the noise of seeds, what an estimate is. Does not: estimators (one file each).
"""

from dataclasses import dataclass

import numpy as np


class RunsError(ValueError):
    """These trainings cannot say what is asked of them; the message says what would."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Outcomes of trainings on s subsets of k units, for q outcomes.

    Attributes:
        shares: (s, k) share of the tokens that come from each unit.
        inclusion: (s,) probability with which each unit was taken, NaN where units were not drawn one by one.
        outcomes: (s, q) mean over the seeds, larger is better.
        noise: (q,) variance of a single training over seeds; NaN where each subset has one seed.
        freedom: degrees of freedom of ``noise``.
        seeds: trainings behind each mean, on average.
        start: (q,) outcome before any training; NaN where it was not measured.
        mixed: subsets differ by the shares of units, and not by which are in.
    """

    shares: np.ndarray
    inclusion: np.ndarray
    outcomes: np.ndarray
    noise: np.ndarray
    freedom: int
    seeds: float
    start: np.ndarray
    mixed: bool = False

    @classmethod
    def of(
        cls,
        shares: np.ndarray,
        subset: np.ndarray,
        outcomes: np.ndarray,
        inclusion: np.ndarray | None = None,
        start: np.ndarray | None = None,
        *,
        mixed: bool = False,
    ) -> "Observed":
        """Gather m trainings by subset.

        Args:
            shares: (m, k).
            subset: (m,) int: trainings with equal numbers have equal shares.
            outcomes: (m,) or (m, q).
            inclusion: (m,); None: NaN.
            start: (q,); None: NaN.
            mixed: see above.
        """
        outcomes = np.asarray(outcomes, np.float64)
        outcomes = outcomes[:, None] if outcomes.ndim == 1 else outcomes
        _, first, place, counts = np.unique(subset, return_index=True, return_inverse=True, return_counts=True)
        means = np.zeros((len(first), outcomes.shape[1]))
        np.add.at(means, place, outcomes)
        means /= counts[:, None]
        freedom = int((counts - 1).sum())
        spread = ((outcomes - means[place]) ** 2).sum(axis=0)
        noise = spread / freedom if freedom else np.full(outcomes.shape[1], np.nan)
        return cls(
            shares=np.asarray(shares, np.float64)[first],
            inclusion=np.full(len(first), np.nan) if inclusion is None else np.asarray(inclusion, np.float64)[first],
            outcomes=means,
            noise=noise,
            freedom=freedom,
            seeds=len(subset) / len(first),
            start=np.full(outcomes.shape[1], np.nan) if start is None else np.asarray(start, np.float64),
            mixed=mixed,
        )

    @property
    def masks(self) -> np.ndarray:
        """(s, k) bool: which units are in."""
        return self.shares > 0


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects of k units on q outcomes.

    Attributes:
        values: (k, q), of an outcome of which more is better; what a unit of it means is said by the estimator.
        errors: (k, q) standard errors, NaN where nothing is known of them.
        freedom: (k, q) degrees of freedom of the errors; infinite where they are from resamples.
        effective: how many subsets count, where they count by weights; else how many there are.
    """

    values: np.ndarray
    errors: np.ndarray
    freedom: np.ndarray
    effective: float

    def interval(self, level: float = 0.95, several: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends (k, q) of the confidence intervals by Student's t.

        Args:
            level: of the interval.
            several: how many are looked at together, so that all of them hold at ``level`` (Bonferroni).
        """
        from scipy.stats import t

        tail = (1 - level) / 2 / several
        reach = t.isf(tail, np.maximum(self.freedom, 1)) * self.errors
        return self.values - reach, self.values + reach
