"""Rounds of a training in which a bandit chooses the group and utilities the rows of it that are trained on.

Belongs here: whose turn it is, which rows, what is earned, when it ends (LEAD, arXiv 2505.07437). Does not: utilities
(``utilities``), the bandit (``exp3``), the training itself.

What a group earns is the utility that training on its rows has *removed*: a group whose losses do not fall earns
nothing, however high they are. In the published code the reward is 0 in every round.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from datasel_assets.bandits.exp3 import Exp3
from datasel_assets.bandits.reward_scale import RewardScale
from datasel_assets.bandits.utilities import Utilities

Order = Literal["highest", "middle", "random"]
"""Which rows of a group come first: those of the highest utility, those nearest to its median, or any."""


@dataclass(frozen=True)
class Proposal:
    """What the next round trains on.

    Attributes:
        arm: the group.
        chances: with which each group could have been drawn.
        rows: (m,) int64 places of the rows, first come those that were wanted most.
    """

    arm: int
    chances: tuple[float, ...]
    rows: np.ndarray


@dataclass(frozen=True)
class Round:
    """What a round has shown.

    Attributes:
        number: from 1.
        arm: the group.
        chances: with which each group could have been drawn.
        rows: how many were trained on.
        new: how many of them for the first time.
        removed: mean utility that was removed from them.
        reward: the same on the scale that the bandit learns, from -1 to 1.
        loss: mean loss of a row before its step; NaN where none has a token.
    """

    number: int
    arm: int
    chances: tuple[float, ...]
    rows: int
    new: int
    removed: float
    reward: float
    loss: float

    @property
    def probability(self) -> float:
        """The chance with which the group was drawn."""
        return self.chances[self.arm]


class UtilityRounds:
    """The rounds over the groups, one ``propose`` and one ``settle`` after the other."""

    def __init__(
        self,
        arms: np.ndarray,
        tasks: np.ndarray,
        utilities: Utilities,
        bandit: Exp3,
        *,
        budget: int,
        rate: float = 0.015,
        most_uses: int = 4,
        order: Order = "highest",
        seed: int = 0,
    ) -> None:
        """Begin.

        Args:
            arms: (n,) int group of each row; -1: it is left out.
            tasks: (n,) int task of each row; of each task of a group some rows are taken.
            utilities: of n rows; a row without one is left out.
            bandit: with an arm for each group.
            budget: distinct rows that are trained on, at most.
            rate: share of the rows of a task of the group that one round takes, rounded up or down at random so that
                it is right on average; a round takes at least one row.
            most_uses: how often a row is trained on, at most.
            order: which rows come first.
            seed: of the order where that is random.
        """
        self.utilities, self.bandit = utilities, bandit
        self._arms = np.where(np.isnan(utilities.values), -1, arms)
        self._tasks = np.asarray(tasks)
        self.budget, self._rate, self._most, self._order, self._seed = budget, rate, most_uses, order, seed
        self._scale = RewardScale()
        self._open: Proposal | None = None
        self.rounds: list[Round] = []
        """Every round so far."""
        self.chosen: dict[int, tuple[int, float]] = {}
        """Row -> (round that first trained on it, its utility then), in the order of choice."""

    @property
    def largest(self) -> int:
        """Rows of a round, at most."""
        sizes = [self._sizes(arm) for arm in range(self.bandit.arms)]
        return max(1, *(int(self._rate * sum(each.values())) + len(each) for each in sizes))

    def propose(self) -> Proposal | None:
        """Return what the next round trains on; None where the budget or the rows are used up."""
        left = self.budget - len(self.chosen)
        if left <= 0:
            return None
        free = (self._arms >= 0) & (self.utilities.uses < self._most) & ~self.utilities.lost
        usable = np.bincount(self._arms[free], minlength=self.bandit.arms) > 0
        if not usable.any():
            return None
        chances = self.bandit.probabilities(usable)
        arm = self.bandit.choose(usable)
        wanted = self._wanted()
        picked: list[np.ndarray] = []
        shares = self._sizes(arm)
        extra = np.random.default_rng([self._seed, len(self.rounds), 1]).random(len(shares))
        for (task, size), more in zip(shares.items(), extra, strict=True):
            own = np.flatnonzero(free & (self._arms == arm) & (self._tasks == task))
            # Rounded down, small tasks would never be trained on; rounded up, they would be trained on too often.
            picked.append(own[np.argsort(-wanted[own], kind="stable")][: int(self._rate * size + more)])
        if not any(map(len, picked)):
            own = np.flatnonzero(free & (self._arms == arm))
            picked.append(own[np.argsort(-wanted[own], kind="stable")][:1])
        rows = np.concatenate(picked)
        rows = rows[np.argsort(-wanted[rows], kind="stable")]
        new = self.utilities.uses[rows] == 0
        rows = rows[~new | (np.cumsum(new) <= left)]
        self._open = Proposal(arm, tuple(chances.tolist()), rows)
        return self._open

    def settle(self, losses: np.ndarray, change: np.ndarray) -> Round:
        """Take what training on the proposed rows has read, and return the round.

        Args:
            losses: (m,) mean loss of a token of each row before its step; NaN where it has none.
            change: (m,) expected change of it by the step.

        Raises:
            ValueError: nothing was proposed.
        """
        if self._open is None:
            raise ValueError("no round is open: propose one first")
        open_, number = self._open, len(self.rounds) + 1
        new = open_.rows[self.utilities.uses[open_.rows] == 0]
        before = self.utilities.values[new]
        removed = float(self.utilities.update(open_.rows, losses, change).mean())
        self.chosen |= {int(row): (number, float(value)) for row, value in zip(new, before, strict=True)}
        reward = self._scale.scaled(removed)
        self.bandit.learn(reward)
        loss = float(np.nanmean(losses)) if np.isfinite(losses).any() else float("nan")
        found = Round(number, open_.arm, open_.chances, len(open_.rows), len(new), removed, reward, loss)
        self.rounds.append(found)
        self._open = None
        return found

    def state(self) -> dict[str, Any]:
        """Return the settled rounds as plain values."""
        return {
            "bandit": self.bandit.state(),
            "utilities": self.utilities.state(),
            "scale": self._scale.seen,
            "rounds": [asdict(each) for each in self.rounds],
            "chosen": [[row, number, value] for row, (number, value) in self.chosen.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state`` of rounds that were begun in the same way."""
        self.bandit.restore(state["bandit"])
        self.utilities.restore(state["utilities"])
        self._scale = RewardScale(None if state["scale"] is None else tuple(state["scale"]))
        self.rounds = [Round(**{**each, "chances": tuple(each["chances"])}) for each in state["rounds"]]
        self.chosen = {int(row): (int(number), float(value)) for row, number, value in state["chosen"]}

    def _sizes(self, arm: int) -> dict[int, int]:
        """Return the rows of each task of a group, whether they were used or not."""
        tasks, counts = np.unique(self._tasks[self._arms == arm], return_counts=True)
        return dict(zip(tasks.tolist(), counts.tolist(), strict=True))

    def _wanted(self) -> np.ndarray:
        """Return (n,) how much each row is wanted; equal ones come in the order of the rows."""
        values = self.utilities.values
        if self._order == "highest":
            return values
        if self._order == "random":
            return np.random.default_rng([self._seed, len(self.rounds)]).random(len(values))
        found = np.full(len(values), -np.inf)
        for arm in range(self.bandit.arms):
            own = np.flatnonzero((self._arms == arm) & ~self.utilities.lost)
            if len(own):
                found[own] = -np.abs(values[own] - np.median(values[own]))
        return found
