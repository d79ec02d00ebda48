"""Which questions are asked in one prompt.

Belongs here: the three ways to batch. Does not: the examples that a prompt shows (``demonstrations``).
"""

from typing import Literal

import numpy as np

Batching = Literal["random", "similarity", "diversity"]
LEAST_RADIUS = 1e-9
"""Radius where the percentile is 0, because many pairs have the same few numbers."""


def cluster_questions(features: np.ndarray, radius: float, least: int = 1) -> np.ndarray:
    """Return (q,) the cluster of each question, from 0; a question without neighbours is a cluster of its own.

    Args:
        features: (q, f).
        radius: of DBSCAN.
        least: questions within the radius, itself included, that make one the core of a cluster.
    """
    from sklearn.cluster import DBSCAN

    if not len(features):
        return np.empty(0, np.int64)
    # Questions with equal features count as one with a weight: a few hundred distinct points instead of thousands.
    points, place, counts = np.unique(features, axis=0, return_inverse=True, return_counts=True)
    found = DBSCAN(eps=max(radius, LEAST_RADIUS), min_samples=least).fit(points, sample_weight=counts)
    labels = found.labels_.astype(np.int64)[place.ravel()]
    alone = np.flatnonzero(labels < 0)
    labels[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone))
    return labels


def batch_questions(how: Batching, clusters: np.ndarray, size: int, seed: int = 0) -> list[np.ndarray]:
    """Return the batches: every question once, at most ``size`` in each.

    Args:
        how: ``random``; ``similarity``: a batch is filled from one cluster and then from the next; ``diversity``: one
            question each of ``size`` different clusters, in turn where there are fewer.
        clusters: (q,) of :func:`cluster_questions`.
        size: questions of a batch at most.
        seed: of the order.

    Raises:
        ValueError: the size is not positive.
    """
    if size < 1:
        raise ValueError(f"a batch of {size} questions asks nothing; give 1 or more")
    order = np.random.default_rng(seed).permutation(len(clusters))
    if how == "random":
        return _cut(order, size)
    by_cluster = order[np.argsort(clusters[order], kind="stable")]
    if how == "similarity":
        return _cut(by_cluster, size)
    return _diverse(clusters, by_cluster, size, seed)


def _cut(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def _diverse(clusters: np.ndarray, by_cluster: np.ndarray, size: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    waiting: dict[int, list[int]] = {}
    for question in by_cluster.tolist():
        waiting.setdefault(int(clusters[question]), []).append(question)
    batches = []
    while waiting:
        names = sorted(waiting)
        chosen = [names[one] for one in rng.permutation(len(names))[:size]]
        batch: list[int] = []
        while len(batch) < size and chosen:
            for name in list(chosen):
                if len(batch) == size:
                    break
                batch.append(waiting[name].pop())
                if not waiting[name]:
                    del waiting[name]
                    chosen.remove(name)
        batches.append(np.array(batch, np.int64))
    return batches
