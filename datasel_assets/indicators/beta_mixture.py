"""A mixture of two Beta distributions over counts of wrong predictions: which rows look clean (IDO, arXiv 2505.00812).

Belongs here: the fit and what it says of a count. Does not: counting (``models.train``, ``models.label_noise``), the
score (``clean_probability``).

The fit is not converged after the iterations that are asked for, and more of them give another answer: on the counts
that the authors published, the share of wrong rows is .52, .45, .39 and .31 after 1, 10, 20 and 50. So the number of
iterations is part of the method; 20 is theirs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

EDGE = 1e-6
"""Shares are kept this far from 0 and 1, and densities above it."""
GUARD, GUARDED = 1.02, 1.1
"""The clean density must fall towards 1 and the wrong one towards 0: a parameter below the first becomes the second."""
ITERATIONS = 20
GRID = 513
"""Places at which the ends of the range are looked at."""
LEAST_ROWS = 50
"""Rows of a label that has a mixture of its own."""


@dataclass(frozen=True, eq=False)
class BetaMixture:
    """Two components over shares in (0, 1): clean rows low, wrong rows high.

    Attributes:
        a: (2,) first parameters, of the clean component and of the wrong one.
        b: (2,) second parameters.
        weights: (2,) adding up to 1; the second is the estimated share of wrong rows.
        low: smallest count of the fit.
        high: largest count of the fit.
        smooth: whether counts were moved off the edges, see :meth:`shares`.
    """

    low: float = 0.0
    high: float = 1.0
    smooth: bool = False
    a: np.ndarray = field(default_factory=lambda: np.array([1.0, 2.0]))
    b: np.ndarray = field(default_factory=lambda: np.array([2.0, 1.0]))
    weights: np.ndarray = field(default_factory=lambda: np.array([0.5, 0.5]))

    @classmethod
    def fit(cls, counts: np.ndarray, iterations: int = ITERATIONS, *, smooth: bool = False) -> "BetaMixture":
        """Return the mixture after some iterations of EM from Beta(1, 2) and Beta(2, 1) at equal weights.

        Args:
            counts: (n,) wrong predictions of each row, n at least 1.
            iterations: of EM.
            smooth: see :meth:`shares`.
        """
        known = np.asarray(counts, np.float64)
        known = known[np.isfinite(known)]
        if not len(known):
            raise ValueError("no row has a count of wrong predictions: nothing to fit a mixture to")
        return cls(float(known.min()), float(known.max()), smooth).more(counts, iterations)

    @property
    def flat(self) -> bool:
        """Whether all counts were equal, so that nothing tells rows apart."""
        return self.high <= self.low

    def shares(self, counts: np.ndarray) -> np.ndarray:
        """Return counts as shares inside (0, 1); all are 0.5 where the counts of the fit were equal.

        As published: (count - low) / (high - low), moved off the edges by 1e-6. At the upper edge the density of the
        wrong component is then so high that p_clean is 0 for every row with the largest count. ``smooth`` uses
        (count + 1/2) / (high + 1) instead. Counts that have grown since the fit are clipped.
        """
        counts = np.asarray(counts, np.float64)
        if self.flat:
            return np.where(np.isfinite(counts), 0.5, np.nan)
        if self.smooth:
            return np.clip((counts + 0.5) / (self.high + 1), EDGE, 1 - EDGE)
        share = (counts - self.low) / (self.high - self.low)
        return np.clip(share, 0, 1) * (1 - 2 * EDGE) + EDGE

    def more(self, counts: np.ndarray, iterations: int = 1) -> "BetaMixture":
        """Return the mixture after further iterations on counts, which may have grown; the range follows them."""
        known = np.asarray(counts, np.float64)
        known = known[np.isfinite(known)]
        low, high = float(known.min()), float(known.max())
        fitted = BetaMixture(low, high, self.smooth, self.a, self.b, self.weights)
        if fitted.flat:
            return fitted
        # Rows with equal counts are equal: a handful of different values stands for all of them.
        values, rows = np.unique(fitted.shares(known), return_counts=True)
        a, b, weights = self.a.copy(), self.b.copy(), self.weights.copy()
        for _ in range(iterations):
            densities = weights[:, None] * _densities(values, a, b)
            owned = densities / densities.sum(axis=0) * rows
            weights = owned.sum(axis=1) / rows.sum()
            for k in range(2):
                a[k], b[k] = _moments(values, owned[k])
            b[0] = GUARDED if b[0] < GUARD else b[0]
            a[1] = GUARDED if a[1] < GUARD else a[1]
        if a[0] / (a[0] + b[0]) > a[1] / (a[1] + b[1]):
            a, b, weights = a[::-1].copy(), b[::-1].copy(), weights[::-1].copy()
        return BetaMixture(low, high, self.smooth, a, b, weights)

    def p_clean(self, counts: np.ndarray) -> np.ndarray:
        """Return (n,) the probability that a row with its count belongs to the clean component.

        Beyond the mean of the wrong component it does not rise again, nor fall before that of the clean one: at the
        very edge both densities are near nothing, and their ratio would call the rows with most wrong events clean.
        """
        shares, (clean, wrong) = self.shares(counts), self.a / (self.a + self.b)
        p = self._posterior(shares)
        low, high = np.linspace(EDGE, clean, GRID), np.linspace(wrong, 1 - EDGE, GRID)
        rising = np.maximum.accumulate(self._posterior(low)[::-1])[::-1]
        falling = np.minimum.accumulate(self._posterior(high))
        p = np.where(shares > wrong, np.interp(shares, high, falling), p)
        return np.where(shares < clean, np.interp(shares, low, rising), p)

    def _posterior(self, shares: np.ndarray) -> np.ndarray:
        densities = self.weights[:, None] * _densities(shares, self.a, self.b)
        return densities[0] / densities.sum(axis=0)

    def quantiles(self, counts: np.ndarray) -> np.ndarray:
        """Return (2, n): how much of each component lies below a count; the first is the difficulty of a clean row."""
        from scipy.stats import beta

        shares = self.shares(counts)
        return np.stack([beta.cdf(shares, self.a[k], self.b[k]) for k in range(2)])

    def consistency(self, counts: np.ndarray) -> np.ndarray:
        """Return (n,) what the agreement of two views of a row weighs: p_clean F_clean + (1 - p_wrong) (1 - F_wrong).

        It may exceed 1; it is no average.
        """
        p = self.p_clean(counts)
        of_clean, of_wrong = self.quantiles(counts)
        return p * of_clean + p * (1 - of_wrong)


@dataclass(frozen=True, eq=False)
class Mixtures:
    """One mixture of all rows, and of labels with enough rows one of their own.

    Attributes:
        whole: of all rows.
        own: label -> its mixture; empty where labels are not told apart.
    """

    whole: BetaMixture
    own: Mapping[int, BetaMixture] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        counts: np.ndarray,
        labels: np.ndarray,
        iterations: int = ITERATIONS,
        *,
        per_class: bool = False,
        smooth: bool = False,
    ) -> "Mixtures":
        """Return the fit to the counts of n rows.

        Args:
            counts: (n,) wrong predictions.
            labels: (n,) int64.
            iterations: of each fit.
            per_class: whether a label with at least :data:`LEAST_ROWS` rows has a mixture of its own.
            smooth: see :meth:`BetaMixture.shares`.
        """
        whole = BetaMixture.fit(counts, iterations, smooth=smooth)
        if not per_class:
            return cls(whole)
        names, rows = np.unique(labels[np.isfinite(counts)], return_counts=True)
        fitted = {
            int(k): BetaMixture.fit(counts[labels == k], iterations, smooth=smooth) for k in names[rows >= LEAST_ROWS]
        }
        return cls(whole, fitted)

    def more(self, counts: np.ndarray, labels: np.ndarray, iterations: int = 1) -> "Mixtures":
        """Return the mixtures after further iterations on counts that may have grown."""
        own = {k: mixture.more(counts[labels == k], iterations) for k, mixture in self.own.items()}
        return Mixtures(self.whole.more(counts, iterations), own)

    def p_clean(self, counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return (n,), see :meth:`BetaMixture.p_clean`."""
        return self._each(counts, labels, BetaMixture.p_clean)

    def quantiles(self, counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return (2, n), see :meth:`BetaMixture.quantiles`."""
        return self._each(counts, labels, BetaMixture.quantiles)

    def consistency(self, counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return (n,), see :meth:`BetaMixture.consistency`."""
        return self._each(counts, labels, BetaMixture.consistency)

    def _each(self, counts: np.ndarray, labels: np.ndarray, ask: Callable[..., np.ndarray]) -> np.ndarray:
        found = ask(self.whole, counts)
        for label, mixture in self.own.items():
            mine = labels == label
            if mine.any():
                found[..., mine] = ask(mixture, counts[mine])
        return found


def noise_share(
    counts: np.ndarray, groups: np.ndarray, iterations: int = ITERATIONS, draws: int = 200, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Return group -> (estimated share of wrong rows, lower and upper end of a 95 % bootstrap interval).

    The mean of ``1 - p_clean`` over the rows of a group; in each draw the rows of every group are drawn again, and the
    mixture is fitted to them again. What the interval does not hold is whether there are two kinds of rows at all.

    Args:
        counts: (n,) wrong predictions; NaN rows are left out.
        groups: (n,) str, such as sources.
        iterations: of the fit.
        draws: of the bootstrap.
        seed: of the draws.
    """
    known = np.isfinite(counts)
    values, place = np.unique(counts[known], return_inverse=True)
    names, group = np.unique(groups[known], return_inverse=True)
    table = np.zeros((len(names), len(values)), np.int64)
    np.add.at(table, (group, place), 1)
    generator = np.random.default_rng(seed)

    def shares(rows: np.ndarray) -> np.ndarray:
        mixture = BetaMixture.fit(np.repeat(values, rows.sum(axis=0)), iterations)
        return rows @ (1 - mixture.p_clean(values)) / rows.sum(axis=1)

    if not len(names):
        return {}
    totals = table.sum(axis=1)
    drawn = [
        shares(np.stack([generator.multinomial(n, row / n) for n, row in zip(totals, table, strict=True)]))
        for _ in range(draws)
    ]
    low, high = np.quantile(np.stack(drawn), [0.025, 0.975], axis=0)
    found = shares(table)
    return {str(name): (float(found[i]), float(low[i]), float(high[i])) for i, name in enumerate(names)}


def _densities(values: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (2, m) densities of the components, at least :data:`EDGE`."""
    from scipy.stats import beta

    return np.stack([np.maximum(beta.pdf(values, a[k], b[k]), EDGE) for k in range(2)])


def _moments(values: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Return the parameters of the Beta distribution with the mean and variance of weighted values."""
    total = max(rows.sum(), EDGE)
    mean = float((rows * values).sum() / total)
    variance = max(float((rows * (values - mean) ** 2).sum() / total), EDGE)
    a = mean * (mean * (1 - mean) / variance - 1)
    return max(a, EDGE), max(a * (1 - mean) / max(mean, EDGE), EDGE)
