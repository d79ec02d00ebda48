"""How far rows drawn at random differ among themselves: the unit in which a difference to random rows is read.

A recipe that is .02 above one random draw may be lucky or may be far beyond all chance: only further draws tell.
Belongs here: the draws, the mean and the standard deviation of each measure over them, and figures in these units.
Does not belong here: any measure (``measures``), and what is made of the differences (``recommend``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics.measures import Measure

DRAWS = 10
LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """What random draws are like.

    Attributes:
        draws: how many.
        mean: of each measure over the draws.
        deviation: standard deviation (n - 1); a measure that is alike in all draws, or unknown in one, is left out.
    """

    draws: int = 0
    mean: Mapping[str, float] = field(default_factory=dict)
    deviation: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, draws: pl.DataFrame, measures: Sequence[str]) -> "Spread":
        """Return the spread of draws, a line each; fewer than three say nothing."""
        if draws.height < 3:
            return cls()
        known = {name: draws[name].cast(pl.Float64).to_numpy() for name in measures if name in draws.columns}
        mean = {name: float(values.mean()) for name, values in known.items() if np.isfinite(values).all()}
        deviation = {name: float(known[name].std(ddof=1)) for name in mean}
        told = {name for name, value in deviation.items() if value > 1e-9 * max(abs(mean[name]), 1e-9)}
        return cls(
            draws.height,
            {name: mean[name] for name in mean if name in told},
            {name: deviation[name] for name in mean if name in told},
        )

    def chance(self, of: int = 1) -> float:
        """Return how many spreads from the mean the furthest of some random draws would be, once in twenty times.

        t((1 + .95^(1/k)) / 2, n - 1) sqrt(1 + 1 / n) for k further draws of a normal distribution: the prediction
        interval of n draws, with the level of Sidak (1967) for the best of k. 2.4 for one and 4.5 for the best of 26,
        after ten draws.

        Args:
            of: from how many the furthest is picked.
        """
        from scipy.stats import t

        level = LEVEL ** (1 / max(of, 1))
        return float(t.ppf((1 + level) / 2, self.draws - 1) * np.sqrt(1 + 1 / self.draws)) if self.draws else np.inf

    def gain(self, measure: Measure, value: float | None) -> float | None:
        """Return how much better than random a value is, in standard deviations; None where it cannot be said."""
        if value is None or measure.better is None or measure.name not in self.deviation or np.isnan(value):
            return None
        sign = 1 if measure.better == "high" else -1
        return sign * (value - self.mean[measure.name]) / self.deviation[measure.name] + 0.0  # no -0


NO_DRAWS = Spread()


def random_draws(row_ids: np.ndarray, rows: int, count: int = DRAWS) -> dict[str, np.ndarray]:
    """Return further draws as the random recipe makes them, by the seeds 1 to ``count``; its own has the seed 0.

    Args:
        row_ids: (n,) ids that the random recipe could have taken.
        rows: of each draw.
        count: how many draws.

    Returns:
        Name of a draw -> ids. Empty where a draw would be the same each time.
    """
    ids = np.sort(np.asarray(row_ids).astype(np.str_))
    if not 0 < rows < len(ids):
        return {}
    return {f"random {seed}": ids[hash_sample(ids, rows, seed)] for seed in range(1, count + 1)}


def gains(figures: pl.DataFrame, spread: Spread, measures: Mapping[str, Measure]) -> dict[str, dict[str, float]]:
    """Return recipe -> measure -> how much better than random it is, in standard deviations of random draws.

    Measures without a better side, and those that say nothing, are left out.
    """
    found = {}
    for row in figures.iter_rows(named=True):
        own = {name: spread.gain(measure, row.get(name)) for name, measure in measures.items()}
        found[row["recipe"]] = {name: gain for name, gain in own.items() if gain is not None}
    return found
