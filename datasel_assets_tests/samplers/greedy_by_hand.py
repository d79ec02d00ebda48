"""Objectives from their definitions, over whole subsets, and the greedy that evaluates every row before every pick."""

from collections.abc import Callable, Sequence

import numpy as np

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates
from datasel_assets.samplers.candidates import Tags
from datasel_assets.samplers.greedy.objectives.similarity import Dense

Value = Callable[[Sequence[int]], float]


def pool_of(vectors: np.ndarray | None = None, has: np.ndarray | None = None, seed: int | None = None, **parts):
    """Candidates with row_ids in order, or shuffled by ``seed``."""
    n = len(vectors) if vectors is not None else len(has)
    places = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
    tags = None
    if has is not None:
        indptr = np.concatenate([[0], has.sum(axis=1).cumsum()])
        tags = Tags(indptr, np.nonzero(has)[1].astype(np.int32), has.shape[1])
    ids = np.array([f"{i:05d}" for i in places])
    return Candidates(ids, vectors=None if vectors is None else ArrayVectors(vectors), tags=tags, **parts)


def cosines(vectors: np.ndarray) -> np.ndarray:
    units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return units @ units.T


def clipped(vectors: np.ndarray) -> np.ndarray:
    """max(cosine, 0), rounded as the sampler rounds it: all sums and differences of these are then exact."""
    return Dense(ArrayVectors(vectors)).matrix / 2.0**24


def facility_location(s: np.ndarray) -> Value:
    return lambda chosen: sum(max((s[i, j] for j in chosen), default=0.0) for i in range(len(s)))


def saturated_coverage(s: np.ndarray, saturation: float) -> Value:
    limit = np.floor(saturation * s.sum(axis=1) * 2**24) / 2**24
    return lambda chosen: sum(min(sum(s[i, j] for j in chosen), limit[i]) for i in range(len(s)))


def graph_cut(s: np.ndarray, redundancy: float) -> Value:
    return lambda chosen: (
        sum(s[i, j] for i in range(len(s)) for j in chosen) - redundancy * sum(s[i, j] for i in chosen for j in chosen)
    )


def tag_coverage(has: np.ndarray, phi: Callable[[float], float]) -> Value:
    return lambda chosen: sum(phi(sum(has[j, t] for j in chosen)) for t in range(has.shape[1]))


def log_det(k: np.ndarray, ridge: float) -> Value:
    return lambda chosen: np.linalg.slogdet(np.eye(len(chosen)) + k[np.ix_(chosen, chosen)] / ridge)[1]


def is_greedy(order: list[int], value: Value, n: int, budget: int, ties: np.ndarray, cost=None, bonus=None) -> bool:
    """Every gain from scratch, in every round: was the largest one taken, and the first of those that are equal?

    Gains within 2**-24 may come out in either order where they are not equal to 2**-36: that is rounding. With
    ``ties`` all None equal gains may come out in any order, where an objective is updated by steps that round.
    """
    now = value([])
    for k, row in enumerate(order):
        left = [i for i in range(n) if i not in order[:k]]
        gains = {i: value([*order[:k], i]) - now + (0 if bonus is None else bonus[i]) for i in left}
        ratio = {i: gains[i] / (1 if cost is None else cost[i]) for i in left}
        best = max(ratio.values())
        near, equal = ({i for i in left if best - ratio[i] <= slack} for slack in (2**-24, 2**-36))
        if row not in near:
            return False
        if ties[0] is not None and near == equal and row != min(near, key=lambda i: ties[i]):
            return False
        now = value(order[: k + 1])
    return len(order) == min(budget, n)
