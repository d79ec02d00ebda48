"""Orders of rows by greedy maximisation of any objective. Not here: objectives, the recipe's parameters.

Both optimisers are lazy (Minoux 1978): the gain of a row never grows in a submodular objective, so the gain of an
earlier round is an upper bound, and only rows whose bound reaches the top are evaluated again.
"""

from dataclasses import dataclass, field

import numpy as np

from datasel_assets.samplers.greedy.objectives.base import Objective

_MOST = 512
"""At most so many rows are evaluated in one call after the first round."""


@dataclass(eq=False)
class Search:
    """What an optimiser knows about each row; it works on it in place.

    Attributes:
        objective: what is maximised; it knows the rows added so far.
        free: (m,) int64 rows that may be chosen, ascending.
        bonus: (n,) float64 added to the gain of each row, or None: a modular term.
        costs: (n,) float64 positive: rows are compared by gain / cost; None for equal costs.
        gain: (n,) float64: objective gain + bonus when it was last evaluated, NaN where never; an upper bound of now.
    """

    objective: Objective
    free: np.ndarray
    bonus: np.ndarray | None = None
    costs: np.ndarray | None = None
    gain: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.gain = np.full(self.objective.n, np.nan)
        self.priority = np.full(self.objective.n, -np.inf)
        self.stamp = np.full(self.objective.n, -1, dtype=np.int64)

    def refresh(self, rows: np.ndarray, now: int) -> None:
        """Evaluate ``rows`` (m,) after ``now`` picks."""
        gain = self.objective.gains(rows)
        if self.bonus is not None:
            gain = gain + self.bonus[rows]
        self.gain[rows] = gain
        self.priority[rows] = gain if self.costs is None else gain / self.costs[rows]
        self.stamp[rows] = now


def lazy_greedy(search: Search, budget: int) -> np.ndarray:
    """Return exactly the rows that evaluating every row before every pick would give, lowest row first among equals.

    Args:
        search: the objective and the free rows; its ``gain`` ends up with each picked row's gain at its pick.
        budget: picks, at most the number of free rows.

    Returns:
        (budget,) int64 rows in the order of their picks. For a monotone submodular objective and equal costs every
        prefix is worth at least 1 - 1/e of the best subset of its size (Nemhauser, Wolsey and Fisher 1978).
    """
    from datasel_assets.samplers.greedy.heap_kernels import advance

    order = np.empty(budget, dtype=np.int64)
    if budget == 0:
        return order
    search.refresh(search.free, 0)
    # A sorted list is a heap.
    heap = search.free[np.lexsort((search.free, -search.priority[search.free]))]
    size = len(heap)
    first = search.objective.batch
    rows = np.empty(max(_MOST, first), dtype=np.int64)
    for now in range(budget):
        returned, wanted = 0, first
        while taken := advance(heap, size, search.priority, search.stamp, now, rows, returned, wanted):
            size += returned - taken
            search.refresh(rows[:taken], now)
            returned, wanted = taken, min(2 * wanted, len(rows))
        size += returned - 1
        order[now] = rows[0]
        search.objective.add(int(rows[0]))
    return order


def stochastic_greedy(search: Search, budget: int, epsilon: float, seed: int) -> np.ndarray:
    """Pick the best row of a random sample each time, with samples that shrink as the picks go on.

    Mirzasoleiman et al. 2015 (arXiv 1409.7938, Algorithm 1) draw (n / b) ln(1 / epsilon) of n rows before each of b
    picks, and reach 1 - 1/e - epsilon of the optimum in expectation. Their sample size would make the first rows
    depend on the budget. Here pick t draws (n / t) ln(1 / epsilon), which is no less for any b >= t: the same
    guarantee holds for every prefix, for n ln(1 / epsilon) ln(b) draws in all instead of n ln(1 / epsilon). Inside a
    sample rows are evaluated lazily.

    Args:
        search: the objective and the free rows.
        budget: picks, at most the number of free rows.
        epsilon: in (0, 1).
        seed: of the samples.
    """
    generator = np.random.default_rng(seed & 0xFFFF_FFFF_FFFF_FFFF)
    order = np.empty(budget, dtype=np.int64)
    if budget == 0:
        return order
    search.refresh(search.free, 0)
    left = search.free.copy()
    draws = len(left) * np.log(1 / epsilon)
    for now in range(budget):
        size = len(left) - now
        drawn = generator.choice(size, min(size, int(np.ceil(draws / (now + 1)))), replace=False, shuffle=False)
        rows = left[drawn]
        best = _best_of(search, rows[np.lexsort((rows, -search.priority[rows]))], now)
        place = drawn[np.flatnonzero(rows == best)[0]]
        left[place] = left[size - 1]
        order[now] = best
        search.objective.add(best)
    return order


def _best_of(search: Search, rows: np.ndarray, now: int) -> int:
    """Return the best of ``rows``, which are sorted by the upper bound of their priority."""
    best = -1
    start, wanted = 0, search.objective.batch
    while start < len(rows):
        if best >= 0 and (-search.priority[best], best) <= (-search.priority[rows[start]], rows[start]):
            break
        part = rows[start : start + wanted]
        stale = part[search.stamp[part] != now]
        if len(stale):
            search.refresh(stale, now)
        found = int(part[np.lexsort((part, -search.priority[part]))[0]])
        if best < 0 or (-search.priority[found], found) < (-search.priority[best], best):
            best = found
        start, wanted = start + wanted, min(2 * wanted, _MOST)
    return best
