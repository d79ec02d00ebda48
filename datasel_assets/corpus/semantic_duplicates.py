"""Semantic duplicates: rows whose vectors point the same way. Two published rules that look alike and are not.

Belongs here: SemDeDup and DEITA's filter. Does not: vectors, clusters, scores, shared words (``near_duplicates``).

Both go through the rows in a fixed order and drop a row whose cosine to an earlier row is above the threshold.
SemDeDup looks at ALL earlier rows of the cluster, also at those it has dropped; DEITA at the rows that it KEPT. On a
chain of six points 10 degrees apart, with a threshold of cos 15 degrees, SemDeDup keeps one row and DEITA three.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.arrays.vectors import ArrayVectors, Vectors
from datasel_assets.corpus.duplicates import DUPLICATES_SCHEMA

_BLOCK_ROWS = 256
_TILE_ROWS = 2048


@dataclass(frozen=True, eq=False)
class SemanticDuplicates:
    """Result of one rule over n rows.

    Attributes:
        kept: bool (n,).
        nearest: int64 (n,), the most similar of the rows that the rule compared this one with (the first in order of
            several); -1 where there was none. SemDeDup's may itself be dropped.
        similarity: float32 (n,), cosine to ``nearest``; NaN where there was none.
        representative: int64 (n,), the kept row that stands for a dropped one: ``nearest``, or where that is dropped
            its representative, and so on; -1 for kept rows. At the end of such a chain the two rows may be unlike.
    """

    kept: np.ndarray
    nearest: np.ndarray
    similarity: np.ndarray
    representative: np.ndarray

    def table(self, row_ids: pl.Series) -> pl.DataFrame:
        """Return the dropped rows: row_id, duplicate_of (``representative``), kind ("semantic"), similarity (above)."""
        rows = np.flatnonzero(self.representative >= 0)
        return pl.DataFrame(
            {
                "row_id": row_ids.gather(rows),
                "duplicate_of": row_ids.gather(self.representative[rows]),
                "kind": pl.repeat("semantic", len(rows), dtype=pl.String, eager=True),
                "similarity": self.similarity[rows],
            },
            schema=DUPLICATES_SCHEMA,
        ).sort("row_id")


def semdedup(
    vectors: Vectors | np.ndarray,
    labels: np.ndarray,
    distances: np.ndarray,
    threshold: float,
    ties: np.ndarray | None = None,
) -> SemanticDuplicates:
    """Drop rows that resemble an earlier row of their cluster (SemDeDup, Abbas et al. 2023).

    Inside a cluster, from the row farthest from the centroid to the nearest: x_i is dropped if
    max_{j < i} cos(x_i, x_j) > threshold, over all earlier rows, dropped or not. (The survey's Algorithm 7 takes the
    maximum over the whole cluster, x_i included, and would drop everything; this is the authors' code.)

    Args:
        vectors: n rows; they are brought to length 1. A zero row resembles nothing.
        labels: int (n,), cluster of each row; rows below 0 have none, are compared with nothing and kept.
        distances: float (n,), to the centroid.
        threshold: largest cosine that stays: 1 - epsilon in the paper.
        ties: (n,) sortable and distinct, such as row ids: order of rows at the same distance; by position if not given.

    Returns:
        Which rows stay, and why not the others. Time: half the sum of size^2 x dim over the clusters; memory: the
        largest cluster as float32 and one block of 256 x 2,048. Cosines are products of float32; where one lies within
        their rounding of the threshold, the row is compared again in float64, so that no library and no block size
        decides which rows stay.

    Raises:
        ValueError: lengths disagree, a vector or a distance of a clustered row is not finite, or the threshold is no
            cosine.
    """
    vectors = _as_vectors(vectors, threshold)
    n = vectors.n
    labels, distances = np.asarray(labels), np.asarray(distances, np.float64)
    ties = np.arange(n) if ties is None else np.asarray(ties)
    if not n == len(labels) == len(distances) == len(ties):
        raise ValueError(
            f"{n} vectors, {len(labels)} labels, {len(distances)} distances and {len(ties)} ties: one of each per row"
        )
    if not np.isfinite(distances[labels >= 0]).all():
        raise ValueError("a row with a cluster has no finite distance to its centroid: assign the clusters again")
    nearest = np.full(n, -1, np.int64)
    similarity = np.full(n, np.nan, np.float32)
    order = _by_distance(labels, distances, ties)
    earlier = np.where(np.tri(_BLOCK_ROWS, k=-1, dtype=bool), np.float32(0), np.float32(-np.inf))
    for rows in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        points = _unit(vectors.take(rows))
        for first in range(0, len(rows), _BLOCK_ROWS):
            block = points[first : first + _BLOCK_ROWS]
            place, cosine = _most_similar(block, points[:first])
            inside = block @ block.T
            inside += earlier[: len(block), : len(block)]
            best = inside.argmax(axis=1)
            height = inside[np.arange(len(block)), best]
            closer = height > cosine
            place = np.where(closer, first + best, place)
            cosine = np.where(closer, height, cosine)
            compared = place >= 0
            here = rows[first : first + len(block)]
            nearest[here[compared]] = rows[place[compared]]
            similarity[here[compared]] = cosine[compared]
            _decide_close_calls(vectors, points, first, here, rows, threshold, nearest, similarity)
    kept = ~(similarity > np.float32(threshold))
    return SemanticDuplicates(kept, nearest, similarity, _followed(kept, nearest))


def deita_filter(vectors: Vectors | np.ndarray, order: np.ndarray, threshold: float) -> SemanticDuplicates:
    """Drop rows that resemble a row that was kept (DEITA's Repr Filter, Liu et al. 2024, Algorithm 1).

    In the given order, best first: x_i is kept if max_{j kept} cos(x_i, x_j) <= threshold; the first row always is.
    (The authors' code drops above a cosine of 0.9. With batches it also compares with rejected rows of the batch: not
    so here.)

    Args:
        vectors: n rows; they are brought to length 1. A zero row resembles nothing.
        order: int (m,), distinct positions, best first. Rows that are not in it are not looked at and not kept.
        threshold: largest cosine that stays; 0.9 in the paper.

    Returns:
        Which rows stay, and why not the others. Time: m x kept x dim; memory: the kept rows as float32 and one block of
        256 x 2,048.

    Raises:
        ValueError: a position repeats or is out of range, a vector is not finite, or the threshold is no cosine.
    """
    vectors = _as_vectors(vectors, threshold)
    n = vectors.n
    order = np.asarray(order, np.int64)
    if len(order) and (order.min() < 0 or order.max() >= n or np.bincount(order).max() > 1):
        raise ValueError(f"order must hold distinct positions from 0 to {n - 1}")
    kept = np.zeros(n, bool)
    nearest = np.full(n, -1, np.int64)
    similarity = np.full(n, np.nan, np.float32)
    chosen = np.empty(0, np.int64)
    points = np.empty((min(len(order), 4 * _BLOCK_ROWS), vectors.dim), np.float32)
    for first in range(0, len(order), _BLOCK_ROWS):
        rows = order[first : first + _BLOCK_ROWS]
        block = _unit(vectors.take(rows))
        place, cosine = _most_similar(block, points[: len(chosen)])
        near = np.where(place >= 0, chosen[place] if len(chosen) else -1, -1)
        inside = block @ block.T
        stays = np.zeros(len(rows), bool)
        for i in range(len(rows)):
            if cosine[i] > threshold:
                continue
            stays[i] = True
            closer = inside[i, i + 1 :] > cosine[i + 1 :]
            near[i + 1 :][closer] = rows[i]
            cosine[i + 1 :][closer] = inside[i, i + 1 :][closer]
        kept[rows] = stays
        compared = near >= 0
        nearest[rows[compared]] = near[compared]
        similarity[rows[compared]] = cosine[compared]
        total = len(chosen) + int(stays.sum())
        if total > len(points):
            larger = np.empty((max(2 * len(points), total), vectors.dim), np.float32)
            larger[: len(chosen)] = points[: len(chosen)]
            points = larger
        points[len(chosen) : total] = block[stays]
        chosen = np.concatenate([chosen, rows[stays]])
    dropped = np.zeros(n, bool)
    dropped[order] = ~kept[order]
    return SemanticDuplicates(kept, nearest, similarity, np.where(dropped, nearest, -1))


def _by_distance(labels: np.ndarray, distances: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Return the rows with a cluster by label, then distance descending, then tie; ids are sorted only if they must."""
    rows = np.flatnonzero(labels >= 0)
    order = rows[np.lexsort((-distances[rows], labels[rows]))]
    equal = (np.diff(labels[order]) == 0) & (np.diff(distances[order]) == 0)
    if not equal.any():
        return order
    rows = np.sort(order)
    return rows[np.lexsort((ties[rows], -distances[rows], labels[rows]))]


def _decide_close_calls(
    vectors: Vectors,
    points: np.ndarray,
    first: int,
    here: np.ndarray,
    rows: np.ndarray,
    threshold: float,
    nearest: np.ndarray,
    similarity: np.ndarray,
) -> None:
    """Measure again, in float64, the rows ``here`` whose cosine is the threshold within rounding; in place."""
    slack = (points.shape[1] + 16) * 2.0**-23
    for i in np.flatnonzero(np.abs(similarity[here] - threshold) <= slack):
        own = vectors.take(here[i : i + 1])[0].astype(np.float64)
        close = np.flatnonzero(points[: first + i] @ points[first + i] >= similarity[here[i]] - 2 * slack)
        wide = vectors.take(rows[close]).astype(np.float64)
        exact = np.vecdot(wide, own) / np.sqrt(np.vecdot(wide, wide) * (own @ own) + 1e-300)
        # On a grid, as equal rows may differ in their last bits: the first of several wins, and 1 is not above 1.
        exact = np.rint(exact * 2.0**40) / 2.0**40
        best = int(exact.argmax())
        told = np.float32(exact[best])
        above = bool(exact[best] > threshold)
        if bool(told > np.float32(threshold)) != above:
            told = np.nextafter(np.float32(threshold), np.float32(2 if above else -2))
        nearest[here[i]], similarity[here[i]] = rows[close[best]], told


def _as_vectors(vectors: Vectors | np.ndarray, threshold: float) -> Vectors:
    if not -1 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}: a cosine from -1 to 1 is needed")
    return ArrayVectors(vectors) if isinstance(vectors, np.ndarray) else vectors


def _unit(points: np.ndarray) -> np.ndarray:
    """Bring rows to length 1, in place, and return them; zero rows stay as they are."""
    norms = np.sqrt(np.vecdot(points, points))[:, None]
    if not np.isfinite(norms).all():
        raise ValueError(f"{int((~np.isfinite(norms)).sum())} vectors hold NaN or infinity: leave them out first")
    points /= np.where(norms > 0, norms, 1)
    return points


def _most_similar(block: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row of ``block`` the first of the most similar rows of ``others`` and the cosine; -1 and -inf."""
    place = np.full(len(block), -1, np.int64)
    cosine = np.full(len(block), -np.inf, np.float32)
    for first in range(0, len(others), _TILE_ROWS):
        product = block @ others[first : first + _TILE_ROWS].T
        best = product.argmax(axis=1)
        height = product[np.arange(len(block)), best]
        closer = height > cosine
        place[closer], cosine[closer] = first + best[closer], height[closer]
    return place, cosine


def _followed(kept: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Return the kept row at the end of each chain of nearest rows; -1 for kept rows.

    A nearest row comes earlier in the order, so chains end; each round doubles their reach.
    """
    target = np.where(kept, np.arange(len(kept)), nearest)
    while True:
        further = target[target]
        if np.array_equal(further, target):
            return np.where(kept, -1, target)
        target = further
