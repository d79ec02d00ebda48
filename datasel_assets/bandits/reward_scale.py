"""Rewards of any size brought to [-1, 1], as EXP3 wants them, by what was earned so far.

Belongs here: the scale. Does not: what is earned (``utility_rounds``), the bandit (``exp3``).
"""


class RewardScale:
    """The place of a reward between the smallest and the largest so far (LEAD, arXiv 2505.07437).

    ``2 (r - min) / (max - min) - 1`` over all rewards up to this one. The scale moves: the second reward is always -1,
    0 or 1, and so is every new extreme.
    """

    def __init__(self, seen: tuple[float, float] | None = None) -> None:
        """Begin; ``seen``: the smallest and the largest reward so far."""
        self.seen = seen
        """(smallest, largest) reward so far; None before the first."""

    def scaled(self, reward: float) -> float:
        """Return a reward in [-1, 1] and remember it; the first is cut to that range, and 0 stands for no spread."""
        if self.seen is None:
            self.seen = (reward, reward)
            return min(1.0, max(-1.0, reward))
        low, high = min(self.seen[0], reward), max(self.seen[1], reward)
        self.seen = (low, high)
        return 2 * (reward - low) / (high - low) - 1 if high > low else 0.0
