"""k-center: cover the pool so that no row is far from a chosen one (core-set selection, arXiv 1708.00489).

Belongs here: the greedy farthest-point order and its starts. Does not: other coverage objectives (facility location).
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import model_validator

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.arrays.vectors import BLOCK_ROWS, Vectors, directed, squared_norms
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, need, positions_of, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"vectors"})
RANKS_ALL = False
WORDING = Wording(
    ", {score} away from the nearest row ranked before it", unranked=", {score} away from the nearest ranked row"
)

HOPEFULS = 1024
"""How many of the farthest rows at least are kept up to date after every pick; the others wait for the next round."""

_SHARE = 256  # of the rows: one in so many, where that is more

_TICKS = 2.0**40


class Params(StrictModel, frozen=True):
    """Where the order starts.

    Attributes:
        init: the first row: ``medoid`` (closest to the mean of the usable rows) or ``random`` (by seed); the first
            rows: ``farthest_pair`` (the two that are farthest apart) or ``medoids`` (of each group the row closest to
            its mean, large groups first; groups of clusters make these the medoids of k-means).
        existing: row_ids that count as chosen already: rows are picked far from them, and they are not returned.
    """

    init: Literal["medoid", "random", "farthest_pair", "medoids"] = "medoid"
    existing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_start(self) -> "Params":
        if self.existing and self.init != "medoid":
            raise ValueError("'existing' rows are the start: leave 'init' out")
        return self

    @property
    def requires(self) -> frozenset[str]:
        """The groups too, where the order starts with their medoids."""
        return REQUIRES | {"groups"} if self.init == "medoids" else REQUIRES


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Pick, again and again, the row that is farthest from all rows picked so far (Gonzalez, 1985).

    For every budget b the b rows cover the pool within twice the radius that the best b rows would reach. When only
    duplicates of chosen rows are left they follow in the order of row_id, so the budget is always met.

    Distances are Euclidean, in float64 and on a grid of 2**-40 of the largest squared length, so that rounding cannot
    decide between equal distances: row_id does. After a pick only the ``HOPEFULS`` farthest rows are updated; picks go
    on until the best of them is no better than the next row outside was at the last full update. As distances only
    shrink, the order is exactly the greedy one, but most of the work is matrix products over many picks at a time.

    Time: 2 n dim budget operations of float64, plus one reading of the vectors for each round of picks (one pick
    at first, soon dozens). Memory: 48 bytes per row, the vectors themselves, and max(1024, n / 256) of them as float64.
    ``farthest_pair`` compares all pairs whose distances to the mean allow it: up to n^2 dim operations of float32
    before the first pick, in blocks of 4,096 x 4,096 (64 MB).

    Args:
        candidates: ``vectors``.
        budget: number of rows.
        params: the start.
        seed: used by ``init: random``.

    Returns:
        The order; ``scores`` is each row's distance to the rows before it (NaN for a first row with nothing before
        it); ``row_scores`` the distance of the other rows to the nearest chosen row.

    Raises:
        ValueError: an ``existing`` row_id is not among the candidates.
    """
    budget = check_budget(budget)
    vectors: Vectors = need(candidates, "vectors")
    usable = usable_rows(candidates, params.requires)
    existing = positions_of(candidates.row_ids, params.existing)
    existing = existing[directed(squared_norms(vectors.take(existing)))]
    usable[existing] = False
    rows = np.flatnonzero(usable)
    budget = min(budget, len(rows))
    if budget == 0:
        return Sample.of(np.empty(0, np.int64))
    state = _Distances(vectors, rows, candidates.ties[rows])
    if len(existing):
        state.update(vectors.take(existing))
        first = np.empty(0, np.int64)
    elif params.init == "random":
        first = np.lexsort((state.ties, hash_keys(candidates.row_ids[rows], seed)))[:1]
    elif params.init == "farthest_pair":
        first = _farthest_pair(state)
    elif params.init == "medoids":
        first = _medoids(state, np.asarray(candidates.groups)[rows])
    else:
        first = _medoids(state, np.zeros(len(rows), np.int64))
    order = _greedy(state, budget, first[:budget])
    row_scores = np.full(candidates.n, np.nan, dtype=np.float32)
    row_scores[rows] = state.distance(state.ticks)
    return Sample.of(rows[order], scores=state.distance(state.at_pick[order]), row_scores=row_scores)


class _Distances:
    """Squared distance of each row to the nearest chosen one, as whole numbers of grid ticks."""

    def __init__(self, vectors: Vectors, rows: np.ndarray, ties: np.ndarray) -> None:
        self.vectors = vectors
        self.rows = rows
        self.ties = ties
        self.norms = np.empty(len(rows))
        for part, block in self.blocks():
            self.norms[part] = np.vecdot(block, block)
        self.scale = _TICKS / 2.0 ** np.ceil(np.log2(self.norms.max()))
        self.far = int(8 * _TICKS)  # beyond any distance
        self.ticks = np.full(len(rows), self.far, dtype=np.int64)
        self.at_pick = np.full(len(rows), self.far, dtype=np.int64)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (slice of ``rows``, float64 block)."""
        for start in range(0, len(self.rows), BLOCK_ROWS):
            part = slice(start, min(start + BLOCK_ROWS, len(self.rows)))
            yield part, self.vectors.take(self.rows[part]).astype(np.float64)

    def to(self, block: np.ndarray, norms: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """Return the ticks (m,) from each row of ``block`` (m, d) to the nearest of ``centres`` (k, d)."""
        products = block @ centres.T
        products *= -2
        products += np.vecdot(centres, centres)
        nearest = products.min(axis=1)
        nearest += norms
        np.maximum(nearest, 0, out=nearest)
        return np.minimum(np.rint(nearest * self.scale), self.far - 1).astype(np.int64)

    def update(self, centres: np.ndarray) -> None:
        """Take new centres (k, d) into account for every row."""
        centres = centres.astype(np.float64)
        for part, block in self.blocks():
            np.minimum(self.ticks[part], self.to(block, self.norms[part], centres), out=self.ticks[part])

    def distance(self, ticks: np.ndarray) -> np.ndarray:
        """Return distances as float32; NaN where there was nothing to measure to."""
        return np.where(ticks == self.far, np.nan, np.sqrt(ticks / self.scale)).astype(np.float32)


def _greedy(state: _Distances, budget: int, first: np.ndarray) -> np.ndarray:
    """Return ``budget`` positions into ``state.rows``, ``first`` first; leaves ``state.ticks`` updated for all rows."""
    order: list[int] = first.tolist()
    free = np.ones(len(state.rows), dtype=bool)
    free[first] = False
    if len(first):
        block = state.vectors.take(state.rows[first]).astype(np.float64)
        ticks = np.full(len(first), state.far)
        for i in range(len(first)):
            state.at_pick[first[i]] = ticks[i]
            np.minimum(ticks, state.to(block, state.norms[first], block[i : i + 1]), out=ticks)
        state.update(block)
    while len(order) < budget:
        left = np.flatnonzero(free)
        if state.ticks[left].max() == 0:
            # Only duplicates of chosen rows: nothing to tell them apart but the row_id.
            rest = left[np.argsort(state.ties[left])][: budget - len(order)]
            state.at_pick[rest] = 0
            order.extend(rest.tolist())
            break
        hopefuls, bound = _farthest(state.ticks[left], state.ties[left], max(HOPEFULS, len(left) // _SHARE))
        hopefuls = left[hopefuls]
        hopefuls = hopefuls[np.argsort(state.ties[hopefuls])]  # argmax then finds the lowest row_id of a tie
        block = state.vectors.take(state.rows[hopefuls]).astype(np.float64)
        ticks, norms, ties = state.ticks[hopefuls], state.norms[hopefuls], state.ties[hopefuls]
        picked: list[int] = []
        while len(order) < budget:
            best = int(ticks.argmax())
            if (-int(ticks[best]), int(ties[best])) > bound:
                break
            row = int(hopefuls[best])
            state.at_pick[row] = ticks[best]
            order.append(row)
            picked.append(best)
            free[row] = False
            np.minimum(ticks, state.to(block, norms, block[best : best + 1]), out=ticks)
            ticks[picked] = -1
        state.update(block[picked])
    return np.array(order, dtype=np.int64)


def _farthest(ticks: np.ndarray, ties: np.ndarray, count: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the ``count`` first rows by (ticks descending, ties ascending), and the (-ticks, tie) of the next one."""
    if len(ticks) <= count:
        return np.arange(len(ticks)), (1, 0)
    level = np.partition(ticks, len(ticks) - count - 1)[len(ticks) - count - 1]
    above = np.flatnonzero(ticks > level)
    equal = np.flatnonzero(ticks == level)
    equal = equal[np.argsort(ties[equal])]
    room = count - len(above)
    return np.concatenate([above, equal[:room]]), (-int(level), int(ties[equal[room]]))


def _medoids(state: _Distances, groups: np.ndarray) -> np.ndarray:
    """Return for each group, large ones first, the position in ``state.rows`` of the row closest to its mean."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    means = np.zeros((len(sizes), state.vectors.dim))
    for part, block in state.blocks():
        by_group = np.argsort(group[part], kind="stable")
        present, starts = np.unique(group[part][by_group], return_index=True)
        means[present] += np.add.reduceat(block[by_group], starts, axis=0)
    means /= sizes[:, None]
    squares = np.vecdot(means, means)
    ticks = np.empty(len(groups), dtype=np.int64)
    for part, block in state.blocks():
        own = group[part]
        apart = np.maximum(state.norms[part] - 2 * np.vecdot(block, means[own]) + squares[own], 0)
        ticks[part] = np.rint(apart * state.scale).astype(np.int64)
    order = np.lexsort((state.ties, ticks, group))
    medoids = order[np.searchsorted(group[order], np.arange(len(sizes)))]
    return medoids[np.argsort(-sizes, kind="stable")]


def _farthest_pair(state: _Distances) -> np.ndarray:
    """Return the positions in ``state.rows`` of the two rows that are farthest apart (of one row: itself).

    Blocks of rows, those far from the mean first, meet in float32 products; a pair that may be the farthest within
    rounding is measured in ticks. A row is no farther from another than the sum of their distances to the mean, so
    the search ends early where few rows lie far out. Ties: the pair with the lowest row_id, then the other's.
    """
    n = len(state.rows)
    if n == 1:
        return np.zeros(1, np.int64)
    mean = sum((block.sum(axis=0) for _, block in state.blocks()), np.zeros(state.vectors.dim)) / n
    radius = np.concatenate(
        [np.sqrt(state.to(block, state.norms[part], mean[None, :]) / state.scale) for part, block in state.blocks()]
    )
    longest = float(state.norms.max())
    slack = 8 * (state.vectors.dim + 16) * 2.0**-24 * longest
    order = np.lexsort((state.ties, -radius))
    best = (1, 0, 0)  # (-ticks, lower tie, higher tie)
    pair = order[:2]
    for first in range(0, n, BLOCK_ROWS):
        some = order[first : first + BLOCK_ROWS]
        block = state.vectors.take(state.rows[some])
        for second in range(first, n, BLOCK_ROWS):
            others = order[second : second + BLOCK_ROWS]
            reach = float(radius[some[0]] + radius[others[0]]) ** 2
            if reach + slack < -best[0] / state.scale:
                break
            products = block @ (block if first == second else state.vectors.take(state.rows[others])).T
            products *= -2
            products += state.norms[some].astype(np.float32)[:, None]
            products += state.norms[others].astype(np.float32)
            level = max(float(products.max()), -best[0] / state.scale) - 2 * slack
            hits = np.flatnonzero(products >= level)
            for start in range(0, len(hits), BLOCK_ROWS):
                i, j = np.divmod(hits[start : start + BLOCK_ROWS], len(others))
                i, j = some[i[i != j] if first == second else i], others[j[i != j] if first == second else j]
                if len(i) == 0:
                    continue
                a, b = (state.vectors.take(state.rows[x]).astype(np.float64) for x in (i, j))
                apart = np.maximum(state.norms[i] + state.norms[j] - 2 * np.vecdot(a, b), 0)
                ticks = np.rint(apart * state.scale).astype(np.int64)
                low, high = np.minimum(state.ties[i], state.ties[j]), np.maximum(state.ties[i], state.ties[j])
                top = np.lexsort((high, low, -ticks))[0]
                found = (-int(ticks[top]), int(low[top]), int(high[top]))
                if found < best:
                    best, pair = found, np.array([i[top], j[top]])
    return pair[np.argsort(state.ties[pair])]
