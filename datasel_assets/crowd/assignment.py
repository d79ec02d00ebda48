"""Which task a worker should get next, and when a task has been asked enough.

Belongs here: gains of one more answer, and rules that stop asking. Does not: who arrives when (``simulate``).

Gain of accuracy: Zheng et al., QASCA (SIGMOD 2015). Gain of entropy: Boim et al., Asking the Right Questions in
Crowd Data Sourcing (AskIt!, ICDE 2012). Runner-up that cannot catch up: Liu et al., CDAS (VLDB 2012).
"""

import numpy as np

from datasel_assets.crowd.posterior import TIE


def one_coin(quality: float | np.ndarray, n_classes: int) -> np.ndarray:
    """Return the table (..., K, K) of a worker who is right with probability ``quality`` and errs evenly."""
    quality = np.asarray(quality, np.float64)[..., None, None]
    return np.where(np.eye(n_classes, dtype=bool), quality, (1 - quality) / (n_classes - 1))


def answer_probabilities(posterior: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Return (n, K): how probable each answer of a worker to each task is, ``sum over k of P_ik C[k, l]``.

    Args:
        posterior: (n, K).
        confusion: (K, K), row = truth.
    """
    return posterior @ confusion


def accuracy_gain(posterior: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Return (n,) by how much an answer is expected to raise the posterior of the best class; never below 0."""
    # pr(l) max_k P_k^l = max_k P_k C[k, l]: the division by pr(l) falls out.
    after = np.einsum("nk,kl->nkl", posterior, confusion).max(axis=1).sum(axis=1)
    return np.maximum(after - posterior.max(axis=1), 0.0)


def entropy_gain(posterior: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Return (n,) by how many nats an answer is expected to lower the entropy of a task; never below 0."""
    joint = np.einsum("nk,kl->nkl", posterior, confusion)
    before = _negative_entropy(posterior).sum(axis=1)
    after = (_negative_entropy(joint) - joint * _log(joint.sum(axis=1, keepdims=True))).sum(axis=(1, 2))
    return np.maximum(after - before, 0.0)


def updated(posterior: np.ndarray, confusion: np.ndarray, answer: int) -> np.ndarray:
    """Return the posterior (K,) of one task after an answer, by Bayes' rule."""
    found = posterior * confusion[:, answer]
    total = found.sum()
    return found / total if total > 0 else posterior


def best_tasks(gains: np.ndarray, may_get: np.ndarray, n: int) -> np.ndarray:
    """Return at most ``n`` tasks with the largest gains, the first of equals; never one that must not be given.

    Args:
        gains: (n,).
        may_get: (n,) bool: open, and not answered by this worker yet.
        n: how many.
    """
    order = np.argsort(-gains, kind="stable")
    return order[may_get[order]][:n]


def is_settled(posterior: np.ndarray, n_answers: np.ndarray, certainty: float | None, most: int) -> np.ndarray:
    """Return (n,) bool: asked often enough, or so sure that another answer is not worth its price.

    Args:
        posterior: (n, K).
        n_answers: (n,) answers so far; none is never enough.
        certainty: posterior of the best class at which asking stops; None: it never does.
        most: answers at most.
    """
    enough = np.asarray(n_answers) >= most
    if certainty is None:
        return enough
    return enough | ((posterior.max(axis=1) >= certainty - TIE) & (np.asarray(n_answers) > 0))


def cannot_be_overtaken(posterior: np.ndarray, left: np.ndarray, quality: float) -> np.ndarray:
    """Return (n,) bool: the second class would stay second if all answers to come named it.

    Args:
        posterior: (n, K).
        left: (n,) answers that may still come.
        quality: of those who will give them, above 1 / K.
    """
    k = posterior.shape[1]
    step = np.log(quality) - np.log((1 - quality) / (k - 1))
    ordered = np.sort(posterior, axis=1)
    lead = _log(ordered[:, -1]) - _log(ordered[:, -2])
    return lead > np.asarray(left) * step


def _log(x: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(x, 1e-300))


def _negative_entropy(p: np.ndarray) -> np.ndarray:
    return p * _log(p)
