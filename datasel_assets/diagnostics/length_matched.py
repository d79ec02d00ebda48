"""How much of a score is length: the best rows beside others that are as long.

Belongs here: the figures. Does not: which score, tables.
"""

import math
from dataclasses import dataclass

import numpy as np

from datasel_assets.diagnostics.lds import spearman


@dataclass(frozen=True)
class LengthMatched:
    """The mean score of the best rows, and of rows as long as these.

    Attributes:
        best: of the best rows.
        matched: what rows as long as these, but not among them, have in the mean; NaN without any.
        every: of all rows.
    """

    best: float
    matched: float
    every: float


def best_rows(scores: np.ndarray, share: float) -> np.ndarray:
    """Return (n,) bool: the rows with the highest scores, ``share`` of them and at least one; ties by place."""
    found = np.zeros(len(scores), bool)
    found[np.argsort(-scores, kind="stable")[: max(1, math.floor(share * len(scores)))]] = True
    return found


def length_matched(scores: np.ndarray, lengths: np.ndarray, best: np.ndarray) -> LengthMatched:
    """Return the mean score of the best rows beside that of a length-matched draw of the others, in expectation.

    For each of the best rows another one of its length is drawn, or of the length next to it that there is.

    Args:
        scores: (n,) without NaN.
        lengths: (n,).
        best: (n,) bool, at least one.
    """
    every = float(scores.mean())
    if best.all():
        return LengthMatched(float(scores.mean()), float("nan"), every)
    known, place = np.unique(lengths[~best], return_inverse=True)
    means = np.bincount(place, scores[~best]) / np.bincount(place)
    above = np.searchsorted(known, lengths[best]).clip(max=len(known) - 1)
    below = (above - 1).clip(min=0)
    nearer = np.abs(known[below] - lengths[best]) <= np.abs(known[above] - lengths[best])
    return LengthMatched(float(scores[best].mean()), float(means[np.where(nearer, below, above)].mean()), every)


def agreement(scores: np.ndarray, others: np.ndarray, share: float) -> tuple[float, float]:
    """Return Spearman's correlation of two scores, and which part of the best rows of one is among those of the other.

    Args:
        scores: (n,).
        others: (n,); rows where one of both is NaN do not count.
        share: of the rows that are the best.
    """
    known = ~(np.isnan(scores) | np.isnan(others))
    scores, others = scores[known], others[known]
    if not len(scores):
        return float("nan"), float("nan")
    best = best_rows(scores, share)
    return spearman(scores, others), float((best & best_rows(others, share)).sum() / best.sum())
