"""The best row of every cluster, with as many clusters as rows are wanted: diversity among the high scores (LASER).

Belongs here: clusters made for one budget, their best rows, and the rows that fill the budget up. Does not: shares of
categories (``stratify``), what the score is made of, clusters of the pool.
"""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from datasel_assets.arrays.linear_algebra import eigh, product
from datasel_assets.arrays.vectors import BLOCK_ROWS, SubsetVectors, Vectors
from datasel_assets.clusters.kmeans import assign, fit_clusters
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.quotas import take_turns
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"scores", "vectors"})
RANKS_ALL = False

DIRECT = 20_000_000
"""Rows x clusters up to which k-means runs on all at once; above, inside about sqrt(k) coarse clusters."""

ITERATIONS = 15
SLACK = 0.05
"""How much further than needed the percentile is lowered, as a share of the rows (the methods page; ours)."""


class Params(StrictModel, frozen=True):
    """Which column ranks the rows, and which rows may stand for a cluster.

    Attributes:
        by: a column of the pool, or ``<family>.<indicator>``.
        keep: ``high`` or ``low`` values first, ``mid``: those nearest to the median; ``auto``: what the indicator
            declares.
        percentile: the best row of a cluster is taken when its score is at least this percentile of all scores. 0: the
            best of every cluster; 1: the best rows, whatever their cluster.
        lower: lower the percentile where clusters could not matter otherwise. False leaves it, as the authors do.
        variance: share of the variance that the principal axes keep.
    """

    by: str
    keep: Literal["auto", "high", "low", "mid"] = "auto"
    percentile: Annotated[float, Field(ge=0, le=1)] = 0.8
    lower: bool = True
    variance: Annotated[float, Field(gt=0, le=1)] = 0.99

    @property
    def prefix(self) -> bool:
        """Whether a smaller budget is a prefix: not here, there are as many clusters as rows wanted."""
        return False


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Cluster the rows into ``budget`` clusters, take the best of each that is good enough, fill up by score.

    LASER (arXiv 2505.22157), step 3 inside one category: principal axes that keep 99 % of the variance, k-means with
    K = n, of each cluster the row with the largest score p if p is at least the 80th percentile, then the best of the
    rest. With a budget of all rows or more, all are taken.

    Every row that stands for a cluster is among the best ``1 - percentile`` of the m rows. So when n >= (1 -
    percentile) m, the result is the n rows with the largest p and clusters change nothing. That is said in the notes,
    and the percentile becomes max(0, 1 - n / m - 0.05) unless ``lower`` is False.

    Three things are other than in the authors' code. The threshold itself is good enough: with scores all equal, every
    cluster gives a row there, and in theirs none. k-means is spherical: the distance of unit vectors grows with their
    angle, so that only the length of centroids is lost. With many rows and clusters, k-means runs inside coarse
    clusters, each of which is split in proportion to its rows, in place of mini-batches.

    Args:
        candidates: ``scores``, to be maximised, and ``vectors``.
        budget: number of rows. Another budget has other clusters: a smaller one is NOT a prefix.
        params: see ``Params``.
        seed: starting points of k-means.

    Returns:
        The rows that stand for a cluster, best first, then the others, best first. Time: O(m sqrt(n) dim) per
        iteration above ``DIRECT``, else O(m n dim); memory: the reduced rows as float32.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    # In the order of the ids: neither k-means nor rounding may depend on how the pool lies.
    rows = rows[np.argsort(candidates.ties[rows])]
    scores = np.asarray(candidates.scores, dtype=np.float64)[rows]
    ranked = np.argsort(-scores, kind="stable")
    notes: tuple[str, ...] = ()
    if 0 < budget < len(rows):
        percentile, notes = _percentile(budget, len(rows), params)
        assert candidates.vectors is not None, "usable_rows has read them"
        points = principal(SubsetVectors(candidates.vectors, rows), params.variance)
        picked = representatives(fine_clusters(points, budget, seed), scores, percentile)
        picked = picked[np.lexsort((picked, -scores[picked]))]
        ranked = np.concatenate([picked, ranked[~np.isin(ranked, picked)]])
    order = ranked[:budget]
    return Sample.of(rows[order], scores=scores[order], notes=notes)


def _percentile(budget: int, m: int, params: Params) -> tuple[float, tuple[str, ...]]:
    """Return the percentile to use, and what is to be said about it."""
    # 0.2 * 5 is 1.0000000000000002 when written as (1 - 0.8) * 5.
    if budget < round((1 - params.percentile) * m, 9):
        return params.percentile, ()
    found = (
        f"{budget:,} of {m:,} rows are wanted, and only the best {1 - params.percentile:.0%} may stand for a cluster"
    )
    if not params.lower:
        return params.percentile, (f"{found}: the result is the rows with the best scores, clusters change nothing",)
    lowered = max(0.0, 1 - budget / m - SLACK)
    return lowered, (
        f"{found}, so clusters would change nothing: the percentile was lowered from {params.percentile:g} to "
        f"{lowered:.3g}",
    )


def representatives(labels: np.ndarray, scores: np.ndarray, percentile: float) -> np.ndarray:
    """Return the best row of each cluster whose score is at least the percentile of all scores; the first wins a tie.

    Args:
        labels: (m,) int, the cluster of each row.
        scores: (m,), without NaN.
        percentile: 0 to 1.
    """
    # The order statistic at or above the percentile: as interpolating, but defined for infinite scores as well.
    threshold = np.sort(scores)[math.ceil(round(percentile * (len(scores) - 1), 9))]
    order = np.lexsort((np.arange(len(scores)), -scores, labels))
    best = order[np.diff(labels[order], prepend=labels.min(initial=0) - 1) != 0]
    return best[scores[best] >= threshold]


def principal(vectors: Vectors, variance: float) -> np.ndarray:
    """Return the rows on the fewest principal axes that keep a share of the variance, as unit vectors (m, axes + 1).

    What the mean has beside these axes is one more coordinate, the same for all rows: distances are those of the
    projection (up to the share that is lost), and angles are measured from the origin, as before. Works for fewer rows
    than dimensions; rows that are all equal keep no axis and have one direction in common.

    Args:
        vectors: m >= 1 finite rows, none of them zero.
        variance: share of the variance to keep.
    """
    d = vectors.dim
    total, second = np.zeros(d), np.zeros((d, d))
    for _, block in vectors.blocks(BLOCK_ROWS):
        block = _unit(block)
        total += block.sum(axis=0)
        second += product(block.T, block)
    mean = total / vectors.n
    values, axes = eigh(second / vectors.n - np.outer(mean, mean))
    values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]
    values[values < 1e-9] = 0.0  # rounding: unit rows have a total of 1 at most
    kept = int(np.searchsorted(np.cumsum(values), variance * values.sum() - 1e-12) + 1) if values.sum() > 0 else 0
    axes = axes[:, :kept]
    rest = float(np.linalg.norm(mean - axes @ (axes.T @ mean)))
    points = np.full((vectors.n, kept + 1), rest, np.float32)
    for at, block in vectors.blocks(BLOCK_ROWS):
        points[at, :kept] = _unit(block) @ axes
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return points / np.where(lengths > 0, lengths, 1)


def fine_clusters(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return the cluster (m,) int64 of each row, at most ``k`` clusters; rows of zeros share one.

    Args:
        points: (m, d) float32.
        k: 1 to m.
        seed: starting points.
    """
    if len(points) * k <= DIRECT:
        return _labels(points, k, seed)
    coarse = _labels(points, math.isqrt(k), seed)
    names, coarse, sizes = np.unique(coarse, return_inverse=True, return_counts=True)
    parts = np.bincount(take_turns(sizes.astype(np.float64), sizes, k), minlength=len(names))
    parts = np.maximum(parts, 1)  # isqrt(k) < k clusters, each with a share of about m / isqrt(k)
    labels = np.empty(len(points), np.int64)
    first = 0
    for number, inside in enumerate(np.split(np.argsort(coarse, kind="stable"), np.cumsum(sizes)[:-1])):
        labels[inside] = first + _labels(points[inside], int(parts[number]), seed)
        first += int(parts[number]) + 1
    return labels


def _labels(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return k-means labels (m,), 0 for rows of zeros."""
    model = fit_clusters(points, k, seed, ITERATIONS)
    return assign(model, points)[0].astype(np.int64) + 1


def _unit(block: np.ndarray) -> np.ndarray:
    rows = block.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
