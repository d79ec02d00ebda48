"""EXP3: an arm at random, the likelier the more it has earned; for rewards that change while one learns.

Belongs here: the rule. Does not: what the rewards are and how they are brought to [-1, 1].
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


class Exp3:
    """Exponential weights for exploration and exploitation (Auer et al. 2002), as LEAD uses it (2505.07437).

    ``p = (1 - gamma) softmax(w) + gamma / K`` over the arms that are not exhausted; the arm that was tried gets
    ``w += eta r / p``. Weights are kept as logarithms, so no reward makes them overflow. With a small ``eta`` and few
    rounds it is close to uniform choice: of 7 arms that earn .1 to .6 and one of them .9 (learned as 2 r - 1), gamma =
    eta K = .1 earns .44 a try over 20 rounds, .51 over 100 and .79 over 1,000, where uniform choice earns .43.
    """

    def __init__(self, arms: int, *, gamma: float = 0.1, eta: float | None = None, seed: int = 0) -> None:
        """Begin.

        Args:
            arms: K, how many there are.
            gamma: share of tries that are uniform, above 0 and at most 1.
            eta: step of the weights; None: gamma / K, as published.
            seed: of the draws; draw t depends on it and on t alone.

        Raises:
            ValueError: there are no arms, or gamma or eta is out of its range.
        """
        if arms < 1:
            raise ValueError("a bandit needs at least one arm")
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be above 0 and at most 1, and it is {gamma}")
        if eta is not None and not (np.isfinite(eta) and eta > 0):
            raise ValueError(f"eta must be a finite number above 0, and it is {eta}")
        self.arms, self._gamma, self._eta, self._seed = arms, gamma, eta, seed
        self.pulls = np.zeros(arms, np.int64)
        """(K,) tries of each arm."""
        self._log_weights = np.zeros(arms)
        self._draws = 0
        self._waiting: tuple[int, float, int] | None = None

    def probabilities(self, usable: np.ndarray | None = None) -> np.ndarray:
        """Return (K,) how likely each arm is tried next, 0 for one that is exhausted.

        Args:
            usable: (K,) bool: arms that are not exhausted.

        Raises:
            ValueError: all are.
        """
        usable = np.ones(self.arms, bool) if usable is None else np.asarray(usable, bool)
        if usable.shape != (self.arms,) or not usable.any():
            raise ValueError(f"usable must say of {self.arms} arms which can be tried, at least of one that it can")
        weights = np.where(usable, self._log_weights, -np.inf)
        weights = np.exp(weights - weights.max())
        return np.where(usable, (1 - self._gamma) * weights / weights.sum() + self._gamma / usable.sum(), 0.0)

    def choose(self, usable: np.ndarray | None = None) -> int:
        """Return the arm to try now; its reward is to be learned before the next choice.

        Args:
            usable: (K,) bool: arms that are not exhausted.
        """
        chances = self.probabilities(usable)
        draw = np.random.default_rng([self._seed, self._draws]).random()
        arm = min(int(np.searchsorted(np.cumsum(chances), draw * chances.sum(), side="right")), self.arms - 1)
        self._draws += 1
        self._waiting = (arm, float(chances[arm]), int((chances > 0).sum()))
        return arm

    def learn(self, reward: float) -> None:
        """Take the reward of the arm that was chosen last, from -1 to 1.

        Raises:
            ValueError: no arm waits for a reward, or it is out of the range.
        """
        if self._waiting is None:
            raise ValueError("no arm waits for a reward: choose one first")
        if not -1 <= reward <= 1:
            raise ValueError(f"rewards must lie between -1 and 1, and this one is {reward}")
        arm, chance, usable = self._waiting
        step = self._gamma / usable if self._eta is None else self._eta
        self._log_weights[arm] += step * float(reward) / chance
        self._log_weights -= self._log_weights.max()
        self.pulls[arm] += 1
        self._waiting = None

    def state(self) -> dict[str, Any]:
        """Return what the tries so far have left, as plain values."""
        waiting = None if self._waiting is None else list(self._waiting)
        weights = self._log_weights.tolist()
        return {"pulls": self.pulls.tolist(), "log_weights": weights, "draws": self._draws, "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state`` of a bandit that was begun in the same way.

        Raises:
            ValueError: it is that of a bandit with other arms.
        """
        if len(state["pulls"]) != self.arms:
            raise ValueError(f"the state is that of {len(state['pulls'])} arms, and there are {self.arms}")
        self.pulls = np.array(state["pulls"], np.int64)
        self._log_weights = np.array(state["log_weights"], np.float64)
        self._draws = int(state["draws"])
        self._waiting = None if state["waiting"] is None else tuple(state["waiting"])
