"""Target-aware selection: every query takes its best rows in turn (RDS+, arXiv 2503.01807; CRDS, arXiv 2602.13773).

Belongs here: the four rules that the papers' code calls "max", and how deep the lists must go. Does not: the streaming
lists (``best_per_query``), or the vectors' making.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datasel_assets.arrays.vectors import SubsetVectors, Vectors
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.best_per_query import TopLists, nearest_query, top_lists
from datasel_assets.samplers.candidates import Candidates, need
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"vectors", "queries"})
RANKS_ALL = True
WORDING = Wording(", taken by {query}, similarity {score}", left=", best chance with {query}, similarity {score}")

SAMPLE_ROWS = 1 << 14
"""Rows looked at to guess the depth of the lists. The guess decides the time only; the result is certified."""


class Params(StrictModel, frozen=True):
    """Which rule takes the turns.

    Attributes:
        rule: ``lose_turn``: in each round every query takes its next row; when that row is gone already, the turn is
            lost (rule (a), what RDS+ and CRDS ran for a single task). ``advance``: the query goes on to its next free
            row. ``global_max``: rows by their best similarity to any query (rule (b)). ``task_round_robin``: as
            lose_turn, but the turns belong to tasks, each with its queries' maximum (rule (c), multi-task RDS+).
    """

    rule: Literal["lose_turn", "advance", "global_max", "task_round_robin"] = "lose_turn"


def closest_misses(
    candidates: Candidates, sample: Sample, accepted: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return, for rows that no query reached, the query that came closest to taking them and the similarity to it.

    Args:
        candidates: as for :func:`sample`.
        sample: what that returned.
        accepted: (b,) bool: which rows of its order were taken.

    Returns:
        (n,) float32 similarities, NaN for other rows, and (n,) int32 queries, -1 for other rows; None where every row
        was ranked or none was taken.
    """
    unranked = np.asarray(candidates.eligible).copy()
    unranked[sample.order] = False
    if not accepted.any() or not unranked.any():
        return None
    vectors, queries = need(candidates, "vectors"), need(candidates, "queries")
    cutoffs = np.full(len(queries), np.inf)
    np.minimum.at(cutoffs, sample.selected_for[accepted], sample.scores[accepted].astype(np.float64))
    return nearest_query(vectors, queries, offsets=cutoffs, eligible=unranked)


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Select by turns, exactly, with one pass over the vectors in the usual case.

    With ``rank_t(i)`` the 0-based rank of row i in the list of turn t (score descending, row_id ascending) and T
    turns, the lose-turn rule selects the rows with the smallest ``key(i) = min_t(rank_t(i) * T + t)``. Lists down to
    depth r therefore decide every key below ``r * T``: when at least ``budget`` rows have one, the result is final, and
    otherwise the lists are made deeper. The score of a row is its similarity to the query in ``selected_for``.

    Args:
        candidates: ``vectors`` and ``queries``; ``query_tasks`` for ``task_round_robin``.
        budget: number of rows.
        params: the rule.
        seed: not used; the method is not random.

    Raises:
        ValueError: a query is not finite, or tasks are missing.
    """
    budget = check_budget(budget)
    vectors: Vectors = need(candidates, "vectors")
    queries = np.asarray(need(candidates, "queries"), dtype=np.float32)
    broken = np.flatnonzero(~np.isfinite(queries).all(axis=1))
    if len(broken):
        raise ValueError(f"query {broken[0]} has a value that is not finite: embed the target again")
    eligible = np.ones(candidates.n, bool) if candidates.eligible is None else candidates.eligible
    budget = min(budget, int(np.count_nonzero(eligible)))
    if budget == 0:
        return Sample.of(np.empty(0, np.int64))
    plan = _plan(queries, candidates.query_tasks, params.rule)
    picks, _ = _select(vectors, queries, candidates.ties, eligible, plan, budget)
    return Sample.of(picks.rows, picks.scores, picks.queries)


@dataclass(frozen=True, eq=False)
class _Plan:
    """How queries form lists and lists take turns."""

    first: np.ndarray  # queries that are ranked at all: of identical ones only the first
    groups: np.ndarray  # the list of each of these
    turns: np.ndarray  # the list whose turn it is, in the order of a round; repeated queries repeat their list
    advance: bool


@dataclass(frozen=True, eq=False)
class _Picks:
    rows: np.ndarray
    scores: np.ndarray
    queries: np.ndarray
    depth: int  # how many entries of a list were used at most


def _plan(queries: np.ndarray, tasks: np.ndarray | None, rule: str) -> _Plan:
    t = len(queries)
    if rule == "global_max":
        return _Plan(np.arange(t), np.zeros(t, dtype=np.int64), np.zeros(1, dtype=np.int64), advance=False)
    if rule == "task_round_robin":
        if tasks is None:
            raise ValueError("rule task_round_robin needs the task of each query: the target has no tasks")
        order: dict[object, int] = {}
        groups = np.array([order.setdefault(task, len(order)) for task in np.asarray(tasks).tolist()])
        return _Plan(np.arange(t), groups, np.arange(len(order)), advance=False)
    _, first, inverse = np.unique(queries, axis=0, return_index=True, return_inverse=True)
    # Lists in the order of first appearance, so that turn order is query order.
    appearance = np.argsort(np.argsort(first))
    return _Plan(np.sort(first), np.arange(len(first)), appearance[inverse.reshape(-1)], rule == "advance")


def _select(
    vectors: Vectors, queries: np.ndarray, ties: np.ndarray, eligible: np.ndarray, plan: _Plan, budget: int
) -> tuple[_Picks, TopLists]:
    """Deepen the lists until they decide every turn; in a large pool a sample says how deep to begin."""
    rows = np.flatnonzero(eligible)
    guess = None if len(rows) <= 2 * SAMPLE_ROWS else _Guess(vectors, queries, ties, rows, plan, budget)
    depth = 2 * math.ceil(budget / len(plan.turns)) + 16 if guess is None else guess.depth
    max_norm = 0.0
    while True:
        depth = min(depth, budget)  # one list as deep as the budget fills it, so the loop ends here at the latest
        floors = None if guess is None else guess.floors(depth)
        lists = top_lists(
            vectors,
            queries[plan.first],
            depth,
            ties,
            groups=plan.groups,
            eligible=eligible,
            floors=floors,
            max_norm=max_norm,
        )
        goal = min(budget, lists.usable)
        picks, found = (_advance if plan.advance else _lose_turn)(lists, plan, goal, len(ties))
        if picks is not None:
            return picks, lists
        if depth == budget:
            assert floors is not None or lists.max_norm > max_norm, "full lists must decide every turn"
            guess = None  # its floors were too high
        max_norm = lists.max_norm
        depth = max(2 * depth, math.ceil(1.2 * depth * goal / max(found, 1)))


class _Guess:
    """The same selection on an evenly spaced sample: how deep the lists must go, and which score that will be."""

    def __init__(
        self, vectors: Vectors, queries: np.ndarray, ties: np.ndarray, rows: np.ndarray, plan: _Plan, budget: int
    ) -> None:
        part = rows[np.linspace(0, len(rows) - 1, SAMPLE_ROWS).astype(np.int64)]
        self.factor = len(rows) / len(part)
        self.subset = SubsetVectors(vectors, part)
        self.queries = queries[plan.first]
        self.groups = plan.groups
        everyone = np.ones(len(part), bool)
        picks, self.lists = _select(self.subset, queries, ties[part], everyone, plan, math.ceil(budget / self.factor))
        # The sample's depth is a whole number of ranks, each worth ``factor`` ranks of the pool.
        self.depth = math.ceil(1.15 * (picks.depth + 1) * self.factor)

    def floors(self, depth: int) -> np.ndarray | None:
        """Return per list a score that more than ``depth`` rows of the pool should reach; None where most rows do."""
        expected = depth / self.factor
        rank = math.ceil(expected + 3 * math.sqrt(expected) + 6)  # three deviations to spare
        if rank >= self.lists.usable:
            return None
        if min(map(len, self.lists.rows)) <= rank:
            ties = np.arange(self.subset.n)
            self.lists = top_lists(self.subset, self.queries, rank + 1, ties, groups=self.groups)
        return np.array([scores[min(rank, len(scores) - 1)] for scores in self.lists.scores])


def _lose_turn(lists: TopLists, plan: _Plan, goal: int, n: int) -> tuple[_Picks | None, int]:
    """The ``goal`` smallest rank keys, or None and how many keys the lists decide when that is fewer."""
    turns = len(plan.turns)
    place = np.unique(plan.turns, return_index=True)[1]  # the first turn of each list; a repeat finds its rows gone
    unknown = np.iinfo(np.int64).max
    keys = np.full(n, unknown, dtype=np.int64)
    limit = unknown
    for index, rows in enumerate(lists.rows):
        keys[rows] = np.minimum(keys[rows], np.arange(len(rows)) * turns + place[index])
        if not lists.complete(index):
            limit = min(limit, len(rows) * turns + int(place[index]))
    rows = np.flatnonzero(keys < limit)
    if len(rows) < goal:
        return None, len(rows)
    keys = keys[rows]
    if goal < len(rows):
        nearest = np.argpartition(keys, goal)[:goal]
        rows, keys = rows[nearest], keys[nearest]
    order = np.argsort(keys)
    rows, keys = rows[order], keys[order]
    turn, rank = keys % turns, keys // turns
    return _gather(lists, plan, rows, turn, rank, int(rank.max(initial=-1)) + 1), goal


def _advance(lists: TopLists, plan: _Plan, goal: int, n: int) -> tuple[_Picks | None, int]:
    """Play the turns one by one, each query going on to its next free row; None when a list ends too early."""
    taken = bytearray(n)
    entries = [rows.data for rows in lists.rows]
    turns = plan.turns.tolist()
    pointer = [0] * len(entries)
    turn, rank, rows = (np.empty(goal, dtype=np.int64) for _ in range(3))
    done = 0
    while done < goal:
        for place, index in enumerate(turns):
            mine, at = entries[index], pointer[index]
            while at < len(mine) and taken[mine[at]]:
                at += 1
            if at == len(mine):
                if not lists.complete(index):
                    return None, done
                pointer[index] = at
                continue
            taken[mine[at]] = 1
            turn[done], rank[done], rows[done] = place, at, mine[at]
            pointer[index] = at + 1
            done += 1
            if done == goal:
                break
    return _gather(lists, plan, rows, turn, rank, max(pointer, default=0)), goal


def _gather(lists: TopLists, plan: _Plan, rows: np.ndarray, turn: np.ndarray, rank: np.ndarray, depth: int) -> _Picks:
    """Look up score and query of each pick. A turn of one query names that query, even when its list is shared."""
    scores = np.empty(len(rows), dtype=np.float32)
    queries = np.empty(len(rows), dtype=np.int32)
    single = len(plan.groups) == len(lists.rows)
    which = plan.turns[turn]
    for index in np.unique(which):
        mine = which == index
        scores[mine] = lists.scores[index][rank[mine]]
        queries[mine] = turn[mine] if single else lists.queries[index][rank[mine]]
    return _Picks(rows, scores, queries, depth)
