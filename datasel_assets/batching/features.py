"""Pairs of records as numbers, and how far pairs are from each other.

Belongs here: similarity of attributes, distances and their percentiles. Does not: what they are used for.
"""

from collections.abc import Iterator, Sequence

import numpy as np

MOST_DISTANCES = 100_000_000
"""Distances that a percentile is taken of at most; of more, evenly spaced questions stand for all."""
BLOCK_BYTES = 1 << 28


def pair_features(left: Sequence[Sequence[str | None]], right: Sequence[Sequence[str | None]]) -> np.ndarray:
    """Return (n, f) how alike two records are in each attribute, 0..1.

    By insertions and deletions over the summed length (Indel similarity, which the literature calls Levenshtein
    ratio). An attribute that both lack counts as equal, one that only one of them lacks as different.

    Args:
        left: the f attributes; of each the n values of the first records, None or empty where missing.
        right: the same of the second records.
    """
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cpdist

    columns = []
    for ours, theirs in zip(left, right, strict=True):
        first, second = ([value or "" for value in values] for values in (ours, theirs))
        # Two empty texts are alike by definition, an empty and another one are not.
        alike = cpdist(first, second, scorer=Indel.normalized_similarity, dtype=np.float64) if first else np.empty(0)
        columns.append(alike)
    return np.stack(columns, axis=1)


def distance_blocks(questions: np.ndarray, pool: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first question, Euclidean distances (b, d) of b questions to the pool) in blocks of bounded size."""
    rows = max(1, BLOCK_BYTES // (8 * max(len(pool), 1) * max(pool.shape[1], 1)))
    for start in range(0, len(questions), rows):
        block = questions[start : start + rows]
        # By differences: a dot product would make near pairs of few features inexact.
        yield start, np.sqrt(((block[:, None, :] - pool[None, :, :]) ** 2).sum(axis=2))


def distance_percentiles(questions: np.ndarray, pool: np.ndarray, percents: Sequence[float]) -> np.ndarray:
    """Return percentiles of all distances of questions to the pool."""
    step = max(1, -(-len(questions) * len(pool) // MOST_DISTANCES))
    found = [block.astype(np.float32) for _, block in distance_blocks(questions[::step], pool)]
    return np.percentile(np.concatenate(found).ravel(), percents).astype(np.float64)
