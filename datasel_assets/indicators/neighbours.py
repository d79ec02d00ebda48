"""Scores from where a row lies among the others: distance to its neighbours, to its centroid, spread of its vector.

Belongs here: exact and approximate k nearest neighbours of a pool, brought up to date when rows come and go, and the
indicators over them. Does not: clusters (``clusters``), duplicates (``corpus``), how vectors are read.
"""

import inspect
from dataclasses import dataclass

import numpy as np

from datasel_assets.indicators.base import indicator

STORED = 10
"""Neighbours kept per row."""

EXACT_ROWS = 200_000
"""Up to so many rows every pair is compared; above, an inverted file with lists probed until recall is high."""

_BLOCK = 16_384
_PROBES = 32
_RECALL_ROWS = 1_000


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest other rows of each row of a pool.

    Attributes:
        index: (n, k) int64 positions, nearest first, -1 where the pool has fewer other rows.
        distance: (n, k) float32 Euclidean distance between unit vectors, NaN where there is none.
        recall: share of the true neighbours found, on a sample; 1.0 where every pair was compared.
        searched: rows whose neighbours were looked for among the whole pool.
    """

    index: np.ndarray
    distance: np.ndarray
    recall: float
    searched: int


def nearest_neighbours(vectors: np.ndarray, k: int = STORED, exact_rows: int = EXACT_ROWS) -> Neighbours:
    """Return the ``k`` nearest other rows of each row.

    A row is never its own neighbour, however many copies of it there are; a copy is, at distance 0. Rows of zero length
    have no direction: they have no neighbours and are nobody's neighbour.

    Args:
        vectors: (n, d) float32 unit vectors, or zero.
        k: neighbours per row.
        exact_rows: largest pool in which every pair is compared; n * n * d multiplications. Memory is that of the
            vectors and of a block of queries, never n * n.
    """
    everyone = np.arange(len(vectors))
    start = Neighbours(np.full((len(vectors), k), -1, np.int64), np.full((len(vectors), k), np.nan, np.float32), 1.0, 0)
    return _search(vectors, everyone, start, exact_rows)


def update_neighbours(
    vectors: np.ndarray, stored: Neighbours, is_new: np.ndarray, exact_rows: int = EXACT_ROWS
) -> Neighbours:
    """Return the neighbours of a pool from those of an earlier state of it, comparing only what changed.

    A new row is compared with all rows. An old row keeps its list and is compared with the new rows only, unless one
    of its neighbours left the pool: then it is compared with all rows again. The result is what
    :func:`nearest_neighbours` gives, up to the choice among rows at equal distance.

    Args:
        vectors: (n, d) as they are now.
        stored: lists aligned with ``vectors``, positions into it; a neighbour that left is -1 with a finite distance.
            Lines of new rows are not looked at.
        is_new: (n,) bool.
        exact_rows: as in :func:`nearest_neighbours`.
    """
    usable = _usable(vectors)
    lost = ((stored.index < 0) & np.isfinite(stored.distance)).any(axis=1)
    # A list that was never full was limited by the size of the pool: any row may belong in it now.
    short = ~np.isfinite(stored.distance).all(axis=1) & usable
    afresh = is_new | lost | short
    index, distance = stored.index.copy(), stored.distance.copy()
    index[afresh], distance[afresh] = -1, np.nan
    old, new = np.flatnonzero(~afresh & usable), np.flatnonzero(is_new & usable)
    if len(old) and len(new):
        found, away = _flat(vectors, old, new, min(index.shape[1], len(new)))
        _merge(index, distance, old, found, away)
    kept = Neighbours(index, distance, stored.recall, 0)
    return _search(vectors, np.flatnonzero(afresh), kept, exact_rows)


@indicator(keep="high", bounds=(0, 2), source="Cao et al. 2023 (InstructionMining), survey Eq 30 with errata")
def knn_distance(distance: np.ndarray) -> np.ndarray:
    """Distance to the 6th nearest other row: how empty the surroundings of a row are.

    Euclidean distance between unit vectors, sqrt(2 - 2 cos), the row itself left out. NaN where the pool has fewer
    than six other rows. High: rare rows; the very highest are often broken ones.
    """
    return _kth(distance, 6)


@indicator(keep="high", bounds=(0, 2), source="survey Eq 30 with k = 1; zero for a copy")
def nearest_distance(distance: np.ndarray) -> np.ndarray:
    """Distance to the nearest other row; 0 when the pool holds a copy.

    Euclidean distance between unit vectors. Low values are redundant rows.
    """
    return _kth(distance, 1)


@indicator(keep="high", bounds=(0, 2), source="mean of the survey's Eq 30 over k = 1..10")
def mean_neighbour_distance(distance: np.ndarray) -> np.ndarray:
    """Mean distance to the ten nearest other rows, a steadier measure of how empty the surroundings are.

    NaN where the pool has no other row.
    """
    known = np.isfinite(distance)
    count = known.sum(axis=1)
    total = np.where(known, distance, 0).sum(axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.full(len(distance), np.nan), where=count > 0)


@indicator(keep="high", bounds=(0, 2), source="Sorscher et al. 2022 (arXiv 2206.14486); D4 (arXiv 2308.12284)")
def centroid_distance(cosine_distance: np.ndarray) -> np.ndarray:
    """Distance to the centroid of the row's own cluster: how untypical the row is of its topic.

    ||x - mu_c|| = sqrt(2 d) between unit vectors at cosine distance d. High: hard or untypical rows (kept by D4 and
    Sorscher et al.); Moderate keeps those nearest to the median distance. NaN for a row without cluster.
    """
    return np.sqrt(np.maximum(2.0 * np.asarray(cosine_distance, np.float64), 0))


@indicator(keep="high", bounds=(0, None), source="Xu et al. 2023 (LIFT, arXiv 2312.11508), survey Eq 31 with errata")
def row_variance(vectors: np.ndarray) -> np.ndarray:
    """Variance among the principal coordinates of a row: how unevenly it loads on the axes of the pool.

    Y = (X - mean) V with the k leading principal axes V (k = min(d, n - 1), at most 64); then
    sum_j (Y_ij - mean_j Y_ij)^2 / (k - 1). The mean over axes depends on which way each axis points, which a LAPACK is
    free to choose, so each is turned until its coordinates have a positive third moment: the value is then the same
    for any rotation of the vectors. NaN for zero rows and for a pool of fewer than three rows.
    """
    usable = _usable(vectors)
    result = np.full(len(vectors), np.nan)
    rows = vectors[usable].astype(np.float64)
    k = min(rows.shape[1], len(rows) - 1, 64)
    if k < 2:
        return result
    rows -= rows.mean(axis=0)
    _, axes = np.linalg.eigh(rows.T @ rows)
    axes = axes[:, ::-1][:, :k]
    coordinates = rows @ axes
    coordinates *= np.where((coordinates**3).sum(axis=0) < 0, -1.0, 1.0)
    result[usable] = coordinates.var(axis=1, ddof=1)
    return result


NEIGHBOURS = {
    found.name: found
    for found in (nearest_distance, knn_distance, mean_neighbour_distance, centroid_distance, row_variance)
}
"""Indicators of the family ``neighbours``."""


def neighbour_scores(**inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of the family, float64 (n,) each.

    Args:
        inputs: what the indicators take, by the name that they give it: ``distance`` (n, k) to the neighbours,
            ``cosine_distance`` (n,) to the centre of the cluster, ``vectors`` (n, d).

    Raises:
        KeyError: an indicator takes something that is not given.
    """
    taken = {name: inspect.signature(found.compute).parameters for name, found in NEIGHBOURS.items()}
    return {name: NEIGHBOURS[name](*(inputs[wanted] for wanted in wants)) for name, wants in taken.items()}


def _kth(distance: np.ndarray, k: int) -> np.ndarray:
    if distance.shape[1] < k:
        return np.full(len(distance), np.nan)
    return distance[:, k - 1].astype(np.float64)


def _usable(vectors: np.ndarray) -> np.ndarray:
    norms = np.vecdot(vectors, vectors)
    return np.isfinite(norms) & (norms > 0)


def _search(vectors: np.ndarray, rows: np.ndarray, known: Neighbours, exact_rows: int) -> Neighbours:
    """Fill the lists of ``rows`` by a search among all usable rows."""
    usable = _usable(vectors)
    base, queries = np.flatnonzero(usable), rows[usable[rows]]
    index, distance = known.index, known.distance
    recall = known.recall
    if len(base) > 1 and len(queries):
        # One more than wanted, because a row finds itself; with many copies it may not, and then the last is cut off.
        wanted = min(index.shape[1] + 1, len(base))
        if len(base) <= exact_rows:
            found, away = _flat(vectors, queries, base, wanted)
        else:
            found, away, recall = _inverted(vectors, queries, base, wanted)
        _merge(index, distance, queries, found, away)
    return Neighbours(index, distance, recall, len(queries))


def _merge(index: np.ndarray, distance: np.ndarray, rows: np.ndarray, found: np.ndarray, away: np.ndarray) -> None:
    """Put candidates into the lists of ``rows``: the k nearest of old and new, self and absent ones left out."""
    k = index.shape[1]
    away = np.where((found == rows[:, None]) | (found < 0), np.inf, away)
    both = np.concatenate([np.where(np.isfinite(distance[rows]), distance[rows], np.inf), away], axis=1)
    places = np.concatenate([index[rows], found], axis=1)
    order = np.argsort(both, axis=1, kind="stable")[:, :k]
    distance[rows] = np.take_along_axis(both, order, axis=1)
    index[rows] = np.take_along_axis(places, order, axis=1)
    none = np.isinf(distance[rows])
    index[rows] = np.where(none, -1, index[rows])
    distance[rows] = np.where(none, np.nan, distance[rows])


def _flat(vectors: np.ndarray, queries: np.ndarray, base: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Compare every query with every base row; (q, k) positions and distances."""
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors[base], np.float32))
    return _query(flat, vectors, queries, base, k)


def _inverted(
    vectors: np.ndarray, queries: np.ndarray, base: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Search an inverted file, and measure on a sample of the queries how much it misses."""
    import faiss

    lists = int(4 * np.sqrt(len(base)))
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    inverted = faiss.IndexIVFFlat(quantizer, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    stored = np.ascontiguousarray(vectors[base], np.float32)
    inverted.train(stored[:: max(1, len(base) // (64 * lists))])
    inverted.add(stored)
    inverted.nprobe = min(_PROBES, lists)
    found, away = _query(inverted, vectors, queries, base, k)
    sample = np.arange(0, len(queries), max(1, len(queries) // _RECALL_ROWS))
    _, truth = _flat(vectors, queries[sample], base, k)
    recall = float((away[sample] <= truth[:, -1:] + 1e-4).mean())
    return found, away, recall


def _query(
    index: "object", vectors: np.ndarray, queries: np.ndarray, base: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    found = np.empty((len(queries), k), np.int64)
    away = np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), _BLOCK):
        block = np.ascontiguousarray(vectors[queries[start : start + _BLOCK]], np.float32)
        similarity, place = index.search(block, k)  # type: ignore[attr-defined]  # any faiss index
        found[start : start + _BLOCK] = np.where(place < 0, -1, base[place])
        away[start : start + _BLOCK] = np.where(place < 0, np.inf, np.sqrt(np.maximum(2 - 2 * similarity, 0)))
    return found, away
