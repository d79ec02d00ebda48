"""Which labelled examples a prompt shows, and how many labels have to be bought for all prompts together.

Belongs here: the four ways to choose. Does not: batches (``batches``), what a label costs (``ledger``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datasel_assets.batching.cover import greedy_cover
from datasel_assets.batching.features import distance_blocks

Choosing = Literal["fixed", "topk_batch", "topk_question", "covering"]
FIXED_TOKENS = 5
"""Tokens that every example costs beside its text."""


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """The examples of b batches, as positions in the pool.

    Attributes:
        per_batch: of each batch, the nearest to one of its questions first.
        bought: positions that have to be labelled, sorted.
        uncovered: questions (positions) without an example within reach, which got their nearest; empty where reach
            was not asked for.
    """

    per_batch: list[np.ndarray]
    bought: np.ndarray
    uncovered: np.ndarray


def choose_demonstrations(
    how: Choosing,
    questions: np.ndarray,
    pool: np.ndarray,
    batches: Sequence[np.ndarray],
    tokens: np.ndarray,
    reach: float,
    k: int = 8,
    seed: int = 0,
) -> Demonstrations:
    """Return the examples of each batch.

    Args:
        how: ``fixed``: k of the pool at random, the same for all; ``topk_batch``: the k nearest to any question of the
            batch; ``topk_question``: the nearest of each question; ``covering``: as few of the pool as have one within
            reach of every question that can be reached, and of those for each batch the shortest that do.
        questions: (q, f).
        pool: (d, f) examples that can be labelled, at least one.
        batches: positions of questions.
        tokens: (d,) length of each example in a prompt.
        reach: distance up to which an example covers a question.
        k: see ``how``.
        seed: of ``fixed``.

    Raises:
        ValueError: the pool is empty.
    """
    if not len(pool):
        raise ValueError("there is nothing to choose examples from: the pool is empty")
    nothing = np.empty(0, np.int64)
    if how == "fixed":
        chosen = np.sort(np.random.default_rng(seed).permutation(len(pool))[:k])
        return Demonstrations([chosen for _ in batches], chosen, nothing)
    if how == "covering":
        return _covering(questions, pool, batches, tokens, reach)
    per_batch = []
    for batch in batches:
        ((_, distance),) = distance_blocks(questions[batch], pool)
        if how == "topk_batch":
            nearest = np.argsort(distance.min(axis=0), kind="stable")[:k]
        else:
            nearest = distance.argmin(axis=1)
            order = np.argsort(distance[np.arange(len(batch)), nearest], kind="stable")
            nearest = np.array(list(dict.fromkeys(nearest[order].tolist())), np.int64)
        per_batch.append(nearest)
    return Demonstrations(per_batch, _union(per_batch), nothing)


def _covering(
    questions: np.ndarray, pool: np.ndarray, batches: Sequence[np.ndarray], tokens: np.ndarray, reach: float
) -> Demonstrations:
    nearest = np.empty(len(questions), np.int64)
    pairs = []
    for start, distance in distance_blocks(questions, pool):
        nearest[start : start + len(distance)] = distance.argmin(axis=1)
        example, question = np.nonzero((distance <= reach).T)
        pairs.append((example, question + start))
    example, question = (np.concatenate([pair[side] for pair in pairs] or [np.empty(0, np.int64)]) for side in (0, 1))
    order = np.argsort(example, kind="stable")
    covers = np.split(question[order], np.searchsorted(example[order], np.arange(1, len(pool))))
    labelled = greedy_cover(covers, len(questions))
    is_covered = np.zeros(len(questions), bool)
    is_covered[question] = True
    uncovered = np.flatnonzero(~is_covered)
    bought = np.union1d(np.array(labelled, np.int64), nearest[uncovered])
    cost = np.asarray(tokens, np.float64)[bought] + FIXED_TOKENS
    per_batch = []
    for batch in batches:
        ((_, distance),) = distance_blocks(questions[batch], pool[bought])
        within = [np.flatnonzero(column <= reach) for column in distance.T]
        chosen = set(greedy_cover(within, len(batch), cost))
        # A question out of reach gets its nearest example all the same.
        reached = {int(one) for each in within for one in each}
        chosen |= {int(distance[place].argmin()) for place in range(len(batch)) if place not in reached}
        ordered = sorted(chosen, key=lambda one: (distance[:, one].min(), one))
        per_batch.append(bought[np.array(ordered, np.int64)])
    return Demonstrations(per_batch, bought, uncovered)


def _union(per_batch: Sequence[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.empty(0, np.int64), *per_batch]))
