"""k-center: cover the pool so that no row is far from a chosen one (core-set selection, arXiv 1708.00489).

Belongs here: the greedy farthest-point order. Does not: other coverage objectives (facility location).
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from datasel_assets.clusters.hash_sample import hash_keys
from datasel_assets.samplers.base import (
    BLOCK_ROWS,
    Candidates,
    Sample,
    Vectors,
    check_budget,
    directed,
    need,
    squared_norms,
    usable_rows,
)
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"vectors"})
RANKS_ALL = False

HOPEFULS = 1024
"""How many of the farthest rows are kept up to date after every pick; the others wait for the next round."""

_TICKS = 2.0**40


class Params(StrictModel):
    """Where the order starts.

    Attributes:
        init: the first row: ``medoid`` (closest to the mean of the usable rows) or ``random`` (by seed).
        existing: row_ids that count as chosen already: rows are picked far from them, and they are not returned.
    """

    init: Literal["medoid", "random"] = "medoid"
    existing: tuple[str, ...] = ()


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Pick, again and again, the row that is farthest from all rows picked so far (Gonzalez, 1985).

    For every budget b the b rows cover the pool within twice the radius that the best b rows would reach. When only
    duplicates of chosen rows are left they follow in the order of row_id, so the budget is always met.

    Distances are Euclidean, in float64 and on a grid of 2**-40 of the largest squared length, so that rounding cannot
    decide between equal distances: row_id does. After a pick only the ``HOPEFULS`` farthest rows are updated; picks go
    on until the best of them is no better than the next row outside was at the last full update. As distances only
    shrink, the order is exactly the greedy one, but most of the work is matrix products over many picks at a time.

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
    usable = usable_rows(candidates, REQUIRES)
    existing = _positions(candidates.row_ids, params.existing)
    existing = existing[directed(squared_norms(vectors.take(existing)))]
    usable[existing] = False
    rows = np.flatnonzero(usable)
    budget = min(budget, len(rows))
    if budget == 0:
        return Sample.of(np.empty(0, np.int64))
    state = _Distances(vectors, rows, candidates.ties[rows])
    if len(existing):
        state.update(vectors.take(existing))
        order = _greedy(state, budget, first=None)
    else:
        if params.init == "random":
            keys = hash_keys(candidates.row_ids[rows], seed)
            first = int(np.lexsort((state.ties, keys))[0])
        else:
            first = _medoid(state)
        order = _greedy(state, budget, first)
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


def _greedy(state: _Distances, budget: int, first: int | None) -> np.ndarray:
    """Return ``budget`` positions into ``state.rows``; leaves ``state.ticks`` updated for all rows."""
    order: list[int] = []
    free = np.ones(len(state.rows), dtype=bool)
    if first is not None:
        order.append(first)
        free[first] = False
        state.update(state.vectors.take(state.rows[[first]]))
    while len(order) < budget:
        left = np.flatnonzero(free)
        if state.ticks[left].max() == 0:
            # Only duplicates of chosen rows: nothing to tell them apart but the row_id.
            rest = left[np.argsort(state.ties[left])][: budget - len(order)]
            state.at_pick[rest] = 0
            order.extend(rest.tolist())
            break
        hopefuls, bound = _farthest(state.ticks[left], state.ties[left], HOPEFULS)
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


def _medoid(state: _Distances) -> int:
    """Return the position in ``state.rows`` of the row closest to their mean."""
    total = np.zeros(state.vectors.dim)
    for _, block in state.blocks():
        total += block.sum(axis=0)
    mean = total[None, :] / len(state.rows)
    ticks = np.concatenate([state.to(block, state.norms[part], mean) for part, block in state.blocks()])
    return int(np.lexsort((state.ties, ticks))[0])


def _positions(row_ids: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
    """Return the position of each wanted id, each once.

    Raises:
        ValueError: an id is not there.
    """
    if not wanted:
        return np.empty(0, dtype=np.int64)
    found = np.flatnonzero(np.isin(row_ids, np.array(wanted)))
    missing = set(wanted) - set(row_ids[found].tolist())
    if missing:
        raise ValueError(f"existing row_id {min(missing)!r} is not in the pool ({len(missing)} such ids)")
    return found
