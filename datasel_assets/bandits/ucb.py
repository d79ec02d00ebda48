"""UCB: the arms with the highest mean reward, and a bonus for those that were seldom tried.

Belongs here: the rule, a prior, what neighbours learn from one another. Does not: who is a neighbour of whom
(``neighbours``), how many tries a first sweep takes (``first_sweep``).
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

Exploration = Literal["decaying", "spread"]


class Ucb:
    """Upper confidence bounds (Auer et al. 2002), with the variations of EQUAL (2505.12250) and Quad (2409.16986).

    An arm's score is ``mean + a sqrt(2 ln T / n)``: T tries in all, n those of the arm and of its neighbours by their
    weights, and the prior's. ``a`` must suit the spread of the rewards: a bonus beyond it tries all arms alike.

    Without a prior an arm that nothing is known of comes before all others, in a seeded random order, so that the first
    tries go once through all arms. With one, n begins at ``prior_weight``, and a mean at what the prior says of the
    arm: priors are on a scale of their own, so they are shifted and stretched to the mean and the spread of the rewards
    of the arms that were tried.
    """

    def __init__(
        self,
        arms: int,
        *,
        exploration: Exploration | float = "spread",
        prior: np.ndarray | None = None,
        prior_weight: float = 1.0,
        sharing: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        """Begin.

        Args:
            arms: K, how many there are.
            exploration: ``a``: a number; ``decaying``: 1 / (T + 1) (EQUAL); ``spread``: the standard deviation of the
                rewards so far.
            prior: (K,) what is thought of the arms before the first try, high where a reward is expected.
            prior_weight: how many tries the prior counts as.
            sharing: (K, K) weight, 0 to 1, with which a reward of the arm of a row counts for the arm of a column; 1
                on the diagonal. None: an arm learns from its own tries alone.
            seed: of the order of the first sweep.

        Raises:
            ValueError: there are no arms, a shape is another one, or a number is not finite or negative.
        """
        if arms < 1:
            raise ValueError("a bandit needs at least one arm")
        self.arms, self._exploration = arms, exploration
        if not isinstance(exploration, str) and not (np.isfinite(exploration) and exploration >= 0):
            raise ValueError(f"exploration must be a finite number, 0 or more, and it is {exploration}")
        self._prior = None if prior is None else _standardised(_shaped("prior", prior, (arms,)))
        if self._prior is not None and not (np.isfinite(prior_weight) and prior_weight > 0):
            raise ValueError(f"prior_weight must be a finite number above 0, and it is {prior_weight}")
        self._prior_weight = prior_weight
        self._sharing = np.eye(arms) if sharing is None else _shaped("sharing", sharing, (arms, arms))
        if (self._sharing < 0).any() or (self._sharing > 1).any() or (np.diag(self._sharing) != 1).any():
            raise ValueError("sharing must lie between 0 and 1, with 1 on the diagonal")
        self._first = np.argsort(np.random.default_rng([seed, arms]).permutation(arms))
        self.pulls = np.zeros(arms, np.int64)
        """(K,) tries of each arm."""
        self._weight, self._sum = np.zeros(arms), np.zeros(arms)
        self._tries, self._mean, self._squares, self._tried_prior = 0, 0.0, 0.0, 0.0
        self._worst: float | None = None

    @property
    def worst(self) -> float | None:
        """The lowest reward so far, for a try that gave nothing to measure; None before the first."""
        return self._worst

    @property
    def spread(self) -> float:
        """Standard deviation of the rewards so far."""
        return float(np.sqrt(self._squares / self._tries)) if self._tries > 1 else 0.0

    def scores(self) -> np.ndarray:
        """Return (K,) the score of each arm, infinite for one that nothing is known of."""
        known = self._weight if self._prior is None else self._weight + self._prior_weight
        total = self._sum if self._prior is None else self._sum + self._prior_weight * self._expected()
        bonus = self._factor() * np.sqrt(2 * np.log(max(self._tries, 1)))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = total / known + bonus / np.sqrt(known)
        return np.where(known > 0, found, np.inf)

    def choose(self, count: int, usable: np.ndarray | None = None) -> list[int]:
        """Return at most ``count`` arms to try now, the best first; ties by index.

        Args:
            count: how many.
            usable: (K,) bool: arms that are not exhausted; those that are score minus infinity.
        """
        usable = np.ones(self.arms, bool) if usable is None else _shaped("usable", usable, (self.arms,)).astype(bool)
        score = np.where(usable, self.scores(), -np.inf)
        order = np.lexsort((np.where(np.isposinf(score), self._first, np.arange(self.arms)), -score))
        return [int(arm) for arm in order[: min(count, int(usable.sum()))]]

    def learn(self, arm: int, reward: float) -> None:
        """Take the reward of one try of an arm.

        Raises:
            ValueError: it is not a finite number.
        """
        if not np.isfinite(reward):
            raise ValueError(f"the reward of arm {arm} is {reward}: give a try without a measure the worst reward")
        reward = float(reward)
        self.pulls[arm] += 1
        self._weight += self._sharing[arm]
        self._sum += self._sharing[arm] * reward
        self._tries += 1
        step = reward - self._mean
        self._mean += step / self._tries
        self._squares += step * (reward - self._mean)
        self._tried_prior += 0.0 if self._prior is None else float(self._prior[arm])
        self._worst = reward if self._worst is None else min(self._worst, reward)

    def state(self) -> dict[str, Any]:
        """Return what the tries so far have left, as plain values."""
        return {
            "pulls": self.pulls.tolist(),
            "weight": self._weight.tolist(),
            "sum": self._sum.tolist(),
            "rewards": [self._tries, self._mean, self._squares, self._tried_prior, self._worst],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state`` of a bandit that was begun in the same way.

        Raises:
            ValueError: it is that of a bandit with other arms.
        """
        self.pulls = _shaped("pulls", np.array(state["pulls"], np.int64), (self.arms,))
        self._weight = _shaped("weight", np.array(state["weight"]), (self.arms,))
        self._sum = _shaped("sum", np.array(state["sum"]), (self.arms,))
        self._tries, self._mean, self._squares, self._tried_prior, self._worst = state["rewards"]

    def _factor(self) -> float:
        if self._exploration == "decaying":
            return 1 / (self._tries + 1)
        return self.spread if self._exploration == "spread" else float(self._exploration)

    def _expected(self) -> np.ndarray:
        """Return (K,) the reward that the prior expects of each arm."""
        assert self._prior is not None
        if self._tries == 0:
            return self._prior
        # Before rewards differ their spread says nothing; the prior then orders the arms by itself.
        stretch = self.spread or 1.0
        return self._mean + stretch * (self._prior - self._tried_prior / self._tries)


def _standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return (values - values.mean()) / (spread if spread > 0 else 1.0)


def _shaped(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return finite values of a shape.

    Raises:
        ValueError: it is another shape, or a number is not finite.
    """
    values = np.asarray(values)
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return values
