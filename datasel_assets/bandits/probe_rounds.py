"""Clusters in rounds: a few members of a cluster are looked at, and where these are good enough the next are accepted.

Belongs here: which members are looked at and which are accepted (Quad, arXiv 2409.16986, and EQUAL, 2505.12250, whose
tries accept nothing beside what they look at). Does not: what a member is worth, which cluster is next (``ucb``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from datasel_assets.bandits.ucb import Ucb


@dataclass(frozen=True)
class Try:
    """One try of one cluster.

    Attributes:
        round: from 1.
        arm: the cluster.
        start: place, in the order of the cluster, of the first member that is looked at.
        stop: place after the last one.
        end: place after the last member that is accepted; ``start`` where none is, ``stop`` or more otherwise.
        reward: what the bandit has learned.
        measured: whether the reward is that of these members; False where none of them had a measure.
    """

    round: int
    arm: int
    start: int
    stop: int
    end: int
    reward: float
    measured: bool

    @property
    def accepted(self) -> bool:
        """Whether the members were good enough."""
        return self.end > self.start


class ProbeRounds:
    """The rounds over the clusters, one ``propose`` and one ``settle`` after the other.

    A member is looked at once or not at all; a cluster without members left is not tried again. A try that gives
    nothing to measure has its price and earns the worst reward so far.
    """

    def __init__(
        self, sizes: Sequence[int], bandit: Ucb, *, arms: int, probe: int, accept: int = 0, threshold: float = -np.inf
    ) -> None:
        """Begin.

        Args:
            sizes: members of each cluster.
            bandit: with as many arms.
            arms: clusters that are tried in one round.
            probe: members of a cluster that are looked at in one try.
            accept: further members that a try accepts whose reward is above the threshold.
            threshold: reward that a try must exceed; minus infinity: whatever has a measure is accepted.
        """
        self._sizes = np.asarray(sizes, np.int64)
        if len(self._sizes) != bandit.arms:
            raise ValueError(f"there are {len(self._sizes)} clusters and {bandit.arms} arms")
        self.bandit = bandit
        self._arms, self._probe, self._accept, self._threshold = arms, probe, accept, threshold
        self._seen = np.zeros(len(self._sizes), np.int64)
        self.tries: list[Try] = []
        """Every try so far, in order."""

    @property
    def round(self) -> int:
        """How many rounds are settled."""
        return self.tries[-1].round if self.tries else 0

    @property
    def looked_at(self) -> int:
        """How many members were looked at."""
        return sum(each.stop - each.start for each in self.tries)

    def propose(self, most: int | None = None) -> list[tuple[int, slice]]:
        """Return (cluster, places in its order) of the members to look at in this round; empty at the end.

        Args:
            most: at most so many members in all; the last cluster then gives fewer.
        """
        chosen: list[tuple[int, slice]] = []
        left = int((self._sizes - self._seen).sum()) if most is None else most
        for arm in self.bandit.choose(self._arms, self._seen < self._sizes):
            start = int(self._seen[arm])
            stop = min(start + min(self._probe, left), int(self._sizes[arm]))
            if stop > start:
                chosen.append((arm, slice(start, stop)))
                left -= stop - start
        return chosen

    def settle(self, rewards: Sequence[tuple[int, slice, float]]) -> list[Try]:
        """Take the rewards of a round and return its tries.

        Args:
            rewards: (cluster, places, reward) for what was proposed; NaN where nothing could be measured.
        """
        number, done = self.round + 1, []
        for arm, places, reward in rewards:
            measured = bool(np.isfinite(reward))
            # Nothing to measure is no better than the worst that was measured, and no better than nothing.
            value = float(reward) if measured else min(self.bandit.worst or 0.0, 0.0)
            good = measured and value > self._threshold
            end = min(places.stop + self._accept, int(self._sizes[arm])) if good else places.start
            self._seen[arm] = max(places.stop, end)
            self.bandit.learn(arm, value)
            done.append(Try(number, arm, places.start, places.stop, end, value, measured))
        self.tries += done
        return done

    def state(self) -> dict[str, Any]:
        """Return the rounds so far as plain values."""
        tries = [asdict(each) for each in self.tries]
        return {"bandit": self.bandit.state(), "seen": self._seen.tolist(), "tries": tries}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state`` of rounds that were begun in the same way."""
        self.bandit.restore(state["bandit"])
        self._seen = np.array(state["seen"], np.int64)
        self.tries = [Try(**each) for each in state["tries"]]
