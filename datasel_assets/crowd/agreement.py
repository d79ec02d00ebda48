"""Krippendorff's alpha: how far those who answer agree beyond chance.

Belongs here: the coefficient for answers by anybody: people, models, samples of one model. Does not: who is right
(``truth``).
"""

from typing import Literal

import numpy as np

Level = Literal["nominal", "ordinal", "interval"]


def krippendorff_alpha(
    task: np.ndarray, answer: np.ndarray, level: Level = "nominal", values: np.ndarray | None = None
) -> float:
    """Return ``1 - observed / expected disagreement`` (Krippendorff, Content Analysis, chapter 11).

    1: no disagreement; 0: as much as answers that are dealt out at random would have; below 0: more. Tasks with one
    answer say nothing and are left out. NaN where nothing is left, or where all say the same, so that nobody can tell
    agreement from having one answer only.

    Args:
        task: (a,) int, whatever number a task has.
        answer: (a,) int, 0..K-1.
        level: how far apart answers are: different or not; by the answers that lie between them in rank; by the square
            of the difference of their values.
        values: (K,) value of each answer at the level ``interval``; None: their numbers.
    """
    task, answer = np.asarray(task), np.asarray(answer, np.int64)
    if not len(task):
        return float("nan")
    _, task = np.unique(task, return_inverse=True)
    k = int(answer.max()) + 1
    table = np.bincount(task * k + answer, minlength=(task.max() + 1) * k).reshape(-1, k).astype(np.float64)
    table = table[table.sum(axis=1) > 1]
    if not len(table):
        return float("nan")
    totals = table.sum(axis=1)
    pairs = (table / (totals - 1)[:, None]).T @ table - np.diag((table / (totals - 1)[:, None]).sum(axis=0))
    counts = pairs.sum(axis=1)
    distance = _distance(counts, level, np.arange(k, dtype=np.float64) if values is None else np.asarray(values)[:k])
    chance = np.outer(counts, counts) - np.diag(counts)
    expected = (chance * distance).sum() / (counts.sum() - 1)
    return float(1 - (pairs * distance).sum() / expected) if expected > 0 else float("nan")


def _distance(counts: np.ndarray, level: Level, values: np.ndarray) -> np.ndarray:
    """Return (K, K) how far apart two answers count."""
    if level == "nominal":
        return 1 - np.eye(len(counts))
    if level == "interval":
        return (values[:, None] - values[None, :]) ** 2
    upto = np.concatenate([[0.0], np.cumsum(counts)])
    places = np.arange(len(counts))
    low, high = np.minimum.outer(places, places), np.maximum.outer(places, places)
    between = upto[high + 1] - upto[low] - (counts[:, None] + counts[None, :]) / 2
    return np.where(low == high, 0.0, between**2)
