"""How many rows each group gives, and in which order the groups take turns.

Belongs here: targets per group and the schedule that follows them. Does not: which rows of a group come first.
"""

import heapq
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

Quota = Literal["proportional", "equal", "sqrt", "weights"]

_EPSILON = 1e-9


def group_weights(
    labels: list[str], sizes: np.ndarray, quota: Quota, weights: Mapping[str, float] | None = None
) -> np.ndarray:
    """Return the weight (g,) float64 of each group: its share grows with it until the group has no more rows.

    Args:
        labels: (g,) group names.
        sizes: (g,) rows in each group.
        quota: ``proportional``: size; ``equal``: 1; ``sqrt``: square root of the size; ``weights``: as given.
        weights: name -> weight, with ``default`` for groups that are not named; for ``weights`` only.

    Raises:
        ValueError: a group has no weight.
    """
    if quota == "weights":
        weights = weights or {}
        missing = [label for label in labels if label not in weights and "default" not in weights]
        if missing:
            raise ValueError(
                f"no weight for group {missing[0]!r} ({len(missing)} such groups): name it under 'weights' "
                "or give a 'default' weight"
            )
        return np.array([weights.get(label, weights.get("default", 0.0)) for label in labels], dtype=np.float64)
    if quota == "equal":
        return np.ones(len(sizes))
    return np.sqrt(sizes) if quota == "sqrt" else sizes.astype(np.float64)


def take_turns(
    weights: np.ndarray, capacities: np.ndarray, budget: int, minimums: np.ndarray | None = None
) -> np.ndarray:
    """Return the group of each of the first ``budget`` rows, so that every prefix keeps to the groups' targets.

    The target of group g after h rows is water-filled: ``q_g(h) = min(capacity_g, max(minimum_g, level * weight_g))``
    with the level at which the targets sum to h (before that, the minimums fill up in proportion). The order is the
    earliest-deadline schedule of Tijdeman (The chairman assignment problem, Discrete Mathematics 32, 1980): after every
    h, every group's count is less than one row away from ``q_g(h)``, hence ``q_g(h)`` rounded down or up. A smaller
    budget is a prefix, which Hamilton's largest-remainder rule does not give (its Alabama paradox).

    Args:
        weights: (g,) non-negative; a group of weight 0 gives its minimum only.
        capacities: (g,) int: rows that each group can give.
        budget: rows wanted.
        minimums: (g,) int, or None for zeros.

    Returns:
        (min(budget, what the groups can give),) int64 group indices.
    """
    floors = np.zeros(len(weights)) if minimums is None else np.minimum(minimums, capacities).astype(np.float64)
    ceilings = np.where(weights > 0, capacities, floors).astype(np.float64)
    total = min(budget, int(ceilings.sum()))
    if total == 0:
        return np.empty(0, dtype=np.int64)
    groups = int(np.count_nonzero(ceilings))
    early = 0.5 if groups < 2 else 1 / (2 * groups - 2)
    jobs_group = np.repeat(np.arange(len(weights)), ceilings.astype(np.int64))
    seat = np.arange(len(jobs_group)) - np.repeat(np.cumsum(ceilings) - ceilings, ceilings.astype(np.int64))
    when = _moments(weights, floors, ceilings)
    releases = np.ceil(when(jobs_group, seat + early) - _EPSILON).astype(np.int64)
    deadlines = np.ceil(when(jobs_group, seat + 1 - early) - _EPSILON).astype(np.int64)

    needed = np.flatnonzero(releases <= total)
    order = needed[np.argsort(releases[needed], kind="stable")]
    waiting = list(zip(*(x[order].tolist() for x in (releases, deadlines, jobs_group)), strict=True))
    schedule = np.empty(total, dtype=np.int64)
    ready: list[tuple[int, int]] = []
    upcoming = 0
    for h in range(1, total + 1):
        while upcoming < len(waiting) and (waiting[upcoming][0] <= h or not ready):
            heapq.heappush(ready, waiting[upcoming][1:])
            upcoming += 1
        schedule[h - 1] = heapq.heappop(ready)[1]
    return schedule


def targets(weights: np.ndarray, capacities: np.ndarray, budget: int, minimums: np.ndarray | None = None) -> np.ndarray:
    """Return the water-filled target ``q_g(budget)`` (g,) float64 that ``take_turns`` follows."""
    floors = np.zeros(len(weights)) if minimums is None else np.minimum(minimums, capacities).astype(np.float64)
    ceilings = np.where(weights > 0, capacities, floors).astype(np.float64)
    if budget <= floors.sum():
        return floors * (budget / floors.sum()) if budget else np.zeros(len(weights))
    levels, filled = _fill(weights, floors, ceilings)
    level = np.interp(min(budget, ceilings.sum()), filled, levels)
    return np.clip(level * weights, floors, ceilings)


def repetitions(weights: np.ndarray, rows: np.ndarray, most: float) -> np.ndarray:
    """Return how often each row of a group is drawn (g,) float64 when as many draws as rows follow the weights.

    The draws are water-filled over the groups by weight, at most ``most`` per row (ClusterClip's cap of gamma |C|), so
    a small group is repeated and a large one is drawn less than once per row. They sum to ``rows``' sum when multiplied
    with it.

    Args:
        weights: (g,) non-negative, as for ``take_turns``.
        rows: (g,) int: distinct rows taken from each group.
        most: at least 1.
    """
    weights = np.where((weights > 0) & (rows > 0), weights, 0.0)
    open_rows = np.where(weights > 0, rows, 0)
    draws = targets(weights, open_rows * most, int(open_rows.sum()))
    return np.where(weights > 0, draws / np.maximum(rows, 1), 1.0)


def _fill(weights: np.ndarray, floors: np.ndarray, ceilings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels at which a group starts or stops to fill, and the sum of the targets there."""
    open_groups = weights > 0
    w, low, high = weights[open_groups], floors[open_groups], ceilings[open_groups]
    levels = np.unique(np.concatenate([[0.0], low / w, high / w]))
    # Between two levels the sum is linear with the weight of the groups that are filling.
    slope = np.zeros(len(levels) + 1)
    np.add.at(slope, np.searchsorted(levels, low / w) + 1, w)
    np.add.at(slope, np.searchsorted(levels, high / w) + 1, -w)
    slope = np.cumsum(slope)[1:-1]
    return levels, floors.sum() + np.concatenate([[0.0], np.cumsum(slope * np.diff(levels))])


def _moments(
    weights: np.ndarray, floors: np.ndarray, ceilings: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return ``f(group (m,), rows (m,))``: the h, a real number, at which a group's target reaches that many rows."""
    levels, filled = _fill(weights, floors, ceilings)
    safe = np.where(weights > 0, weights, 1.0)

    def when(group: np.ndarray, rows: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            early = rows * (floors.sum() / floors[group])
        return np.where(rows <= floors[group], early, np.interp(rows / safe[group], levels, filled))

    return when
