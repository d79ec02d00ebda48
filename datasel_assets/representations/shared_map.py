"""One linear map for documents and the rows drawn out of them, learned by InfoNCE (the warm-up of EQUAL, 2505.12250).

Belongs here: the map and its training. Does not: which documents it is learned from, encoders.
"""

from dataclasses import dataclass

import numpy as np

CHECK_EVERY, PATIENCE, HELD_OUT = 20, 3, 0.25


@dataclass(frozen=True, eq=False)
class SharedMap:
    """The map.

    Attributes:
        weights: (d, k).
        recall_before: share of held-out documents whose nearest held-out row is their own, along the directions of most
            variance; NaN where nothing was held out.
        recall: the same with the map.
        steps: of the training that the map is from.
    """

    weights: np.ndarray
    recall_before: float
    recall: float
    steps: int

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Return unit vectors (n, k) of vectors (n, d)."""
        return _unit(vectors.astype(np.float64) @ self.weights)[0]


def fit_shared_map(
    documents: np.ndarray,
    rows: np.ndarray,
    owner: np.ndarray,
    *,
    dims: int,
    steps: int,
    temperature: float,
    rate: float,
    seed: int,
) -> SharedMap:
    """Learn the map, from the directions of most variance on; the best state on held-out documents counts.

    In each step every document is compared with one of its rows and, as negatives, with one of every other document:
    ``-log softmax(cos(d, q) / temperature)``. Rows of one document are never negatives of each other.

    Args:
        documents: (n, d) vectors.
        rows: (m, d) vectors.
        owner: (m,) document of each row.
        dims: k, at most d.
        steps: at most so many.
        temperature: of the comparison.
        rate: of Adam.
        seed: of which documents are held out and of the rows of a step.

    Returns:
        The map; that of step 0 where fewer than two documents have rows, or where training made nothing better.
    """
    documents, rows = documents.astype(np.float64), rows.astype(np.float64)
    weights = _directions(np.concatenate([documents, rows]), dims)
    having = np.unique(owner)
    draw = np.random.default_rng([seed, len(having)])
    order = draw.permutation(having)
    held = order[: int(len(order) * HELD_OUT)]
    trained = order[len(held) :]
    before = _recall(documents, rows, owner, held, weights)
    best, best_recall, best_step, waited = weights, before, 0, 0
    if len(trained) < 2:
        return SharedMap(weights, before, before, 0)
    own = [np.flatnonzero(owner == document) for document in trained]
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, steps + 1):
        chosen = np.array([each[draw.integers(len(each))] for each in own])
        slope = _slope(documents[trained], rows[chosen], weights, temperature)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        weights = weights - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        if step % CHECK_EVERY and step != steps:
            continue
        recall = _recall(documents, rows, owner, held, weights)
        if not len(held) or recall > best_recall:
            best, best_recall, best_step, waited = weights, recall, step, 0
        elif (waited := waited + 1) >= PATIENCE:
            break
    return SharedMap(best, before, best_recall, best_step)


def _directions(vectors: np.ndarray, dims: int) -> np.ndarray:
    """Return (d, k) the directions of most variance about the origin, the largest entry of each positive."""
    values, found = np.linalg.eigh(vectors.T @ vectors)
    found = found[:, np.argsort(-values, kind="stable")[: min(dims, vectors.shape[1])]]
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    return found * np.where(signs == 0, 1, signs)


def _slope(documents: np.ndarray, rows: np.ndarray, weights: np.ndarray, temperature: float) -> np.ndarray:
    """Return the gradient of the mean loss with respect to the weights."""
    (one, long), (other, wide) = _unit(documents @ weights), _unit(rows @ weights)
    logits = one @ other.T / temperature
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    pull = (chances - np.eye(len(one))) / (temperature * len(one))
    to_one, to_other = pull @ other, pull.T @ one
    # Through x / |x|: what lies along x changes nothing.
    to_one = (to_one - one * (to_one * one).sum(axis=1, keepdims=True)) / long
    to_other = (to_other - other * (to_other * other).sum(axis=1, keepdims=True)) / wide
    return documents.T @ to_one + rows.T @ to_other


def _recall(documents: np.ndarray, rows: np.ndarray, owner: np.ndarray, held: np.ndarray, weights: np.ndarray) -> float:
    if not len(held):
        return float("nan")
    among = np.flatnonzero(np.isin(owner, held))
    likeness = _unit(documents[held] @ weights)[0] @ _unit(rows[among] @ weights)[0].T
    return float((owner[among][likeness.argmax(axis=1)] == held).mean())


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors, and their lengths before (n, 1), at least a tiny one."""
    long = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors / long, long
