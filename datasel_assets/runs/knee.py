"""How much is enough: the smallest share of a pool whose training is as good as the best, beside random rows.

Belongs here: means with intervals, the answer, the answer in words. Does not: the trainings.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Curve:
    """Losses over rising fractions.

    Attributes:
        fractions: (f,).
        mean: (f,) mean over the seeds.
        low: (f,) lower end of its 95 % interval by Student's t.
        high: (f,) upper end.
        losses: (f, s) of each seed.
    """

    fractions: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    losses: np.ndarray

    @classmethod
    def of(cls, fractions: np.ndarray, losses: np.ndarray) -> "Curve":
        """Return the curve of losses (f, s) with at least two seeds."""
        from scipy.stats import t

        mean, seeds = losses.mean(axis=1), losses.shape[1]
        reach = float(t.ppf(0.975, seeds - 1)) * losses.std(axis=1, ddof=1) / np.sqrt(seeds)
        return cls(np.asarray(fractions, np.float64), mean, mean - reach, mean + reach, losses)


@dataclass(frozen=True)
class Knee:
    """The answer.

    Attributes:
        fraction: the smallest one whose mean loss is within the tolerance of the best.
        best: the fraction with the smallest mean loss.
        excess: mean loss at ``fraction`` less that at ``best``.
        high: upper end of the 95 % interval of the excess, over seeds in pairs; 0 where both are the same.
        by_random: the smallest fraction at which random rows come within the tolerance of the loss at ``fraction``;
            None: at none of them.
    """

    fraction: float
    best: float
    excess: float
    high: float
    by_random: float | None


def knee(selected: Curve, random: Curve, tolerance: float) -> Knee:
    """Return how much of a selection is enough.

    Args:
        selected: losses of trainings on the selection.
        random: the same on random rows, at the same fractions.
        tolerance: nats.
    """
    from scipy.stats import t

    best = int(selected.mean.argmin())
    place = int(np.flatnonzero(selected.mean <= selected.mean[best] + tolerance)[0])
    apart = selected.losses[place] - selected.losses[best]
    seeds = len(apart)
    reach = float(t.ppf(0.975, seeds - 1) * apart.std(ddof=1) / np.sqrt(seeds)) if place != best else 0.0
    reached = np.flatnonzero(random.mean <= selected.mean[place] + tolerance)
    return Knee(
        fraction=float(selected.fractions[place]),
        best=float(selected.fractions[best]),
        excess=float(apart.mean()),
        high=float(apart.mean() + reach),
        by_random=float(random.fractions[reached[0]]) if len(reached) else None,
    )


def answer(found: Knee, tolerance: float, what: str) -> str:
    """Return the answer in words.

    >>> answer(Knee(0.02, 0.07, 0.004, 0.008, 0.15), 0.01, "target arithmetic")
    '2 % of the pool is within 0.01 nats of the best (7 %) on target arithmetic; random rows need 15 %.'
    """
    share, best = percent(found.fraction), percent(found.best)
    if found.fraction == found.best:
        said = f"{share} of the pool is best on {what}, and nothing smaller is within {tolerance:g} nats of it"
    else:
        said = f"{share} of the pool is within {tolerance:g} nats of the best ({best}) on {what}"
    if found.high > tolerance:
        said += f" by its mean (the seeds leave room for up to {found.high:.2g})"
    if found.by_random is None:
        return f"{said}; random rows do not come as near at any of these shares."
    if found.by_random <= found.fraction:
        return f"{said}; random rows need no more."
    return f"{said}; random rows need {percent(found.by_random)}."


def percent(fraction: float) -> str:
    """Return a share in per cent.

    >>> percent(0.035), percent(1.0)
    ('3.5 %', '100 %')
    """
    return f"{100 * fraction:.3g} %"
