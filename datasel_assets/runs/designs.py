"""Which units of a pool each of many trainings sees, and how many of its tokens come from each.

Belongs here: designs of subsets and shares. Does not: rows (``fill``), what the trainings lead to (``observed``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EVEN = "uniform"
"""A probability of its own for each subset, uniform in (0, 1)."""


@dataclass(frozen=True, eq=False)
class Design:
    """m trainings over k units.

    Attributes:
        shares: (m, k) share of the tokens of a training that come from each unit; rows add up to 1.
        subset: (m,) int64: trainings with one number have the same shares and differ by their seed.
        seed: (m,) int64 of each training.
        inclusion: (m,) probability with which each unit was taken, independently of the others, given that some unit
            was; NaN where units were not taken like that.
    """

    shares: np.ndarray
    subset: np.ndarray
    seed: np.ndarray
    inclusion: np.ndarray

    @property
    def runs(self) -> int:
        """How many trainings there are."""
        return len(self.subset)


def leave_one_out(sizes: np.ndarray, seeds: int) -> Design:
    """Return a training on all units and one without each of them, ``seeds`` times.

    Args:
        sizes: (k,) tokens of each unit; what is in a subset has its share by size.
        seeds: repetitions of each subset.

    Raises:
        ValueError: fewer than two units.
    """
    k = _units(sizes)
    masks = np.vstack([np.ones(k, bool), ~np.eye(k, dtype=bool)])
    return _repeated(proportional(masks, sizes), np.full(len(masks), np.nan), seeds)


def random_subsets(
    sizes: np.ndarray, subsets: int, share: float | Sequence[float] | str, seeds: int, seed: int
) -> Design:
    """Return random subsets that take each unit with a probability, independently of the others.

    Several probabilities are used equally often, in turn, as AME does (Lin et al. 2022); a subset without any unit is
    drawn again.

    Args:
        sizes: (k,) tokens of each unit.
        subsets: how many.
        share: the probability, several of them, or ``uniform``: another for each subset.
        seeds: repetitions of each subset.
        seed: of the draw.

    Raises:
        ValueError: fewer than two units.
    """
    k = _units(sizes)
    draw = np.random.default_rng([seed, 1])
    if isinstance(share, str):
        # Strata instead of plain draws: as random, and no size of a subset is missed by bad luck.
        p = (draw.permutation(subsets) + draw.random(subsets)) / subsets
    else:
        p = np.resize(np.atleast_1d(np.asarray(share, np.float64)), subsets)
    p = np.clip(p, 1e-3, 1 - 1e-3)
    masks = np.zeros((subsets, k), bool)
    for place in range(subsets):
        while not masks[place].any():
            masks[place] = draw.random(k) < p[place]
    return _repeated(proportional(masks, sizes), p, seeds)


def dirichlet(sizes: np.ndarray, subsets: int, concentration: float, seeds: int, seed: int) -> Design:
    """Return random shares of the tokens, drawn around the shares that the units have in the pool (RegMix).

    Args:
        sizes: (k,) tokens of each unit.
        subsets: how many.
        concentration: the smaller, the further from the pool: the expected shares are those of the pool, and the
            parameters of the Dirichlet distribution add up to this times the number of units.
        seeds: repetitions of each subset.
        seed: of the draw.

    Raises:
        ValueError: fewer than two units.
    """
    k = _units(sizes)
    mean = np.asarray(sizes, np.float64) / np.sum(sizes)
    # The gamma draws of very small parameters are all 0 at times.
    parameters = np.maximum(concentration * k * mean, 1e-3)
    shares = np.random.default_rng([seed, 2]).dirichlet(parameters, subsets)
    return _repeated(shares, np.full(subsets, np.nan), seeds)


def proportional(masks: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return (m, k) shares of the units that are in, by size; ``masks``: (m, k) bool."""
    weights = masks * np.asarray(sizes, np.float64)
    return weights / weights.sum(axis=1, keepdims=True)


def _repeated(shares: np.ndarray, inclusion: np.ndarray, seeds: int) -> Design:
    """Return each subset with every seed; all subsets with one seed first, so that a stopped series is usable."""
    m = len(shares)
    subset, seed = np.tile(np.arange(m), seeds), np.repeat(np.arange(seeds), m)
    return Design(shares[subset], subset, seed, inclusion[subset])


def _units(sizes: np.ndarray) -> int:
    if len(sizes) < 2:
        raise ValueError(f"effects are told apart by leaving something out: {len(sizes)} units are not enough, give 2")
    return len(sizes)
