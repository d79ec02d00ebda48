"""Whether effects are more than noise, in words.

Belongs here: how large an effect seeds alone would make, which effects may be believed. Does not: effects themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from datasel_assets.runs.estimators import WITHOUT_ERRORS, Estimator
from datasel_assets.runs.observed import Effects, Observed

DRAWS = 100
LEVEL = 0.95
NAMED = 3


@dataclass(frozen=True, eq=False)
class Verdict:
    """What may be said of the effects on one outcome.

    Attributes:
        text: in words.
        helps: units whose effect may be believed and is good, largest first.
        harms: the same, bad ones.
        limit: the largest effect that seeds alone make in 95 of 100 series; NaN where the noise is not known.
    """

    text: str
    helps: tuple[int, ...]
    harms: tuple[int, ...]
    limit: float


def largest_by_chance(estimator: Estimator, observed: Observed, natural: np.ndarray, seed: int = 0) -> float:
    """Return the 95 % quantile of the largest effect where every subset's mean is nothing but noise of variance 1.

    Args:
        estimator: its name.
        observed: the trainings; their outcomes are not looked at.
        natural: (k,) share of each unit in the pool.
        seed: of the noise.
    """
    drawn = np.random.default_rng([seed, 6]).standard_normal((len(observed.shares), DRAWS))
    nothing = replace(observed, outcomes=drawn, noise=np.ones(DRAWS), start=np.full(DRAWS, np.nan))
    found = WITHOUT_ERRORS[estimator](nothing, natural).values
    return float(np.quantile(np.abs(found).max(axis=0), LEVEL))


def verdict(effects: Effects, outcome: int, observed: Observed, by_chance: float, names: Sequence[str]) -> Verdict:
    """Return what may be said of one outcome.

    An effect is believed where it is larger than seeds alone would make the largest one, and its interval, widened for
    as many units as there are (Bonferroni), does not hold 0.

    Args:
        effects: of k units.
        outcome: which.
        observed: the trainings that they come from.
        by_chance: from :func:`largest_by_chance`.
        names: k names of units.
    """
    from scipy.stats import t

    values = effects.values[:, outcome]
    low, high = (end[:, outcome] for end in effects.interval(LEVEL, len(names)))
    apart = (low > 0) | (high < 0)
    largest = f"the largest is {np.abs(values).max():.3g}"
    noise, limit = float(observed.noise[outcome]), float("nan")
    if np.isfinite(noise):
        # A variance that is known from few repetitions may be too small by as much as Student's t is wider.
        unsure = float(t.isf(0.025, observed.freedom) / t.isf(0.025, np.inf))
        limit = by_chance * unsure * np.sqrt(noise / observed.seeds)
        if np.abs(values).max() <= limit:
            text = f"No effect is larger than the noise of seeds: {largest}, and seeds alone make one of {limit:.3g}."
            return Verdict(text, (), (), limit)
        apart &= np.abs(values) > limit
    order = np.argsort(-np.abs(values), kind="stable")
    helps = tuple(int(i) for i in order if apart[i] and values[i] > 0)
    harms = tuple(int(i) for i in order if apart[i] and values[i] < 0)
    if not helps and not harms:
        text = f"These trainings do not tell which unit matters: no interval leaves out 0 ({largest})."
    else:
        said = [
            f"{len(units)} of {len(names)} {verb}: {_listed(units, names, values)}"
            for units, verb in ((helps, "help"), (harms, "harm"))
            if units
        ]
        text = "; ".join(said) + "."
    if not np.isfinite(noise):
        text += " The noise of seeds is not known, because each subset has one seed."
    return Verdict(text, helps, harms, limit)


def _listed(units: Sequence[int], names: Sequence[str], values: np.ndarray) -> str:
    more = f" and {len(units) - NAMED} more" if len(units) > NAMED else ""
    return ", ".join(f"{names[i]} ({values[i]:+.3g})" for i in units[:NAMED]) + more
