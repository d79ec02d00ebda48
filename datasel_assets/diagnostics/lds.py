"""How well scores of rows predict what training on subsets gives. Belongs here: the linear datamodelling score."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Prediction:
    """Agreement of predicted with real outcomes.

    Attributes:
        mean: mean of ``per_target`` over the targets where it exists; NaN where it exists for none.
        per_target: (t,) correlation of each target; NaN where predictions or outcomes do not vary.
    """

    mean: float
    per_target: np.ndarray


def lds(scores: np.ndarray, masks: np.ndarray, outcomes: np.ndarray) -> Prediction:
    """Return the linear datamodelling score (Park et al. 2023, TRAK, Definition 2.3).

    For each target j: Spearman's rank correlation over subsets between g_j(S) = sum of scores_ij over the rows i in S
    and the outcome of really training on S. 1 for an outcome that is a monotone function of the sums, about 0 for
    scores that say nothing.

    Args:
        scores: (n,) or (n, t): what row i is said to add to target j.
        masks: (m, n) bool: the rows of each subset.
        outcomes: (m,) or (m, t): what training on the subset gave, better = larger where higher scores are better.

    Raises:
        ValueError: shapes do not fit.
    """
    scores, outcomes = _columns(scores), _columns(outcomes)
    masks = np.asarray(masks)
    if masks.shape != (len(outcomes), len(scores)) or scores.shape[1] != outcomes.shape[1]:
        raise ValueError(
            f"scores {scores.shape}, masks {masks.shape}, outcomes {outcomes.shape}: expected (n, t), (m, n), (m, t)"
        )
    return _per_target(masks.astype(np.float64) @ scores, outcomes)


def foretelling(units: np.ndarray, shares: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Return how well the mean of a score over what was trained on foretells outcomes, with 95 % intervals.

    Spearman's correlation over subsets; the interval by Fisher's transformation with the variance 1.06 / (m - 3)
    (Fieller, Hartley and Pearson 1957), NaN for fewer than 5 subsets.

    Args:
        units: (k,) mean of the score over the rows of each unit.
        shares: (m, k) share of what was trained on that came from each unit.
        outcomes: (m, t), better = larger.

    Returns:
        (t, 3) correlation, lower and upper end.
    """
    found = _per_target(np.tile((shares @ units)[:, None], (1, outcomes.shape[1])), outcomes).per_target
    m = len(shares)
    if m < 5:
        return np.column_stack([found, np.full((len(found), 2), np.nan)])
    reach = 1.959964 * np.sqrt(1.06 / (m - 3))
    middle = np.arctanh(np.clip(found, -1 + 1e-12, 1 - 1e-12))
    return np.column_stack([found, np.tanh(middle - reach), np.tanh(middle + reach)])


def leave_one_out(scores: np.ndarray, differences: np.ndarray) -> Prediction:
    """Return Spearman's correlation of scores with what leaving each row out really changes (Koh and Liang 2017).

    Args:
        scores: (n,) or (n, t): what row i is said to add to target j.
        differences: the same shape: outcome of training on all rows minus outcome without row i.

    Raises:
        ValueError: shapes differ.
    """
    scores, differences = _columns(scores), _columns(differences)
    if scores.shape != differences.shape:
        raise ValueError(f"scores {scores.shape} and differences {differences.shape}: one difference for each score")
    return _per_target(scores, differences)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two columns (n,), ties sharing their mean rank.

    NaN where one is constant, or where a value is NaN.

    >>> spearman(np.array([1, 2, 3, 10]), np.array([2, 4, 8, 16]))
    1.0
    """
    if np.isnan(a).any() or np.isnan(b).any() or len(a) < 2:
        return float("nan")
    a, b = _ranks(np.asarray(a)), _ranks(np.asarray(b))
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / spread, -1, 1)) if spread else float("nan")


def _columns(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values[:, None] if values.ndim == 1 else values


def _per_target(predicted: np.ndarray, real: np.ndarray) -> Prediction:
    found = np.array([spearman(predicted[:, j], real[:, j]) for j in range(predicted.shape[1])])
    known = found[~np.isnan(found)]
    return Prediction(float(known.mean()) if len(known) else float("nan"), found)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]
