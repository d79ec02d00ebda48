"""Diversity coefficient: how much the tasks of the batches of a set differ. Belongs here: Task2Vec and its distances.

The probe that reads the batches is a model and lives elsewhere: here are its last hidden states and its probabilities.
"""

from collections.abc import Sequence

import numpy as np


def task2vec(hidden: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the Task2Vec embedding of one batch: the diagonal Fisher information of the probe's last layer.

    F_kj = (1/n) sum_i p_ik (1 - p_ik) h_ij^2, which is E_y[(d ln p(y | h) / d W_kj)^2] with y drawn from the model, in
    closed form (Achille et al. 2019; survey Eq 40, whose y is the predicted class where it must be a sampled one).

    Args:
        hidden: (n, d) inputs of the last layer.
        probabilities: (n, k), each row sums to 1.

    Returns:
        float64 (k * d,).

    Raises:
        ValueError: the rows differ in number, or there are none.
    """
    hidden, p = np.asarray(hidden, np.float64), np.asarray(probabilities, np.float64)
    if len(hidden) != len(p) or not len(p):
        raise ValueError(f"{len(hidden)} hidden states and {len(p)} rows of probabilities: give one each, at least one")
    return ((p * (1 - p)).T @ (hidden * hidden) / len(p)).ravel()


def diversity_coefficient(batches: Sequence[np.ndarray] | np.ndarray) -> float:
    """Return the mean cosine distance between the Task2Vec embeddings of different batches (Lee et al. 2023; Eq 41).

    In closed form over all pairs: with S the sum of the m unit embeddings, 1 - (||S||^2 - m) / (m (m - 1)). Batches
    of one task give 0; embeddings are non-negative, so 1 is the largest.

    Args:
        batches: (m, D) embeddings of batches that were drawn at random from the set.

    Returns:
        A number in [0, 1] for embeddings of ``task2vec``; NaN below two batches.

    Raises:
        ValueError: an embedding is all zero and has no direction.
    """
    rows = np.asarray(batches, np.float64)
    m = len(rows)
    if m < 2:
        return float("nan")
    norms = np.linalg.norm(rows, axis=1)
    if not norms.all():
        raise ValueError(f"the embedding of batch {int(np.argmin(norms))} is zero: the probe is certain of every row")
    total = (rows / norms[:, None]).sum(axis=0)
    return float(np.clip(1 - (total @ total - m) / (m * (m - 1)), 0, 2))
