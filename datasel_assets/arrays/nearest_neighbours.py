"""The k nearest neighbours of every row of a pool, exact or approximate, brought up to date when rows come and go.

Belongs here: the search. Does not: what follows from a distance (``indicators.neighbours``), how vectors are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasel_assets.arrays.vectors import directed, squared_norms

STORED = 10
"""Neighbours kept per row."""

EXACT_ROWS = 200_000
"""Up to so many rows every pair is compared; above, an inverted file with lists probed until recall is high."""

_BLOCK = 16_384
_PAIR_NUMBERS = 1 << 19
_SPARE = 4
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


Query = Callable[[Any, np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""What asks an index; :func:`query_index` does it here and now."""


def query_index(
    index: Any, vectors: np.ndarray, queries: np.ndarray, base: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` nearest of ``base`` to each query, ties by position: (q, k) int64 positions, float32 distances.

    How a library rounds an inner product depends on how it shares the queries among threads. So it only proposes, a few
    more than wanted; distances are computed again, pair by pair, and decide. What is found for a query does not depend
    on the others, so that they may be asked in any number of pieces.

    Args:
        index: a faiss index over ``vectors[base]``.
        vectors: (n, d).
        queries: (q,) int64 positions.
        base: (m,) int64 positions.
        k: how many.
    """
    some = min(k + _SPARE, len(base))
    found = np.empty((len(queries), k), np.int64)
    away = np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), _BLOCK):
        block = np.ascontiguousarray(vectors[queries[start : start + _BLOCK]], np.float32)
        _, place = index.search(block, some)
        rows = np.sort(np.where(place < 0, -1, base[place]), axis=1)
        distance = _distances(vectors, block, rows)
        order = np.argsort(distance, axis=1, kind="stable")[:, :k]
        found[start : start + _BLOCK] = np.take_along_axis(rows, order, axis=1)
        away[start : start + _BLOCK] = np.take_along_axis(distance, order, axis=1)
    return found, away


def nearest_neighbours(
    vectors: np.ndarray, k: int = STORED, exact_rows: int = EXACT_ROWS, query: Query = query_index
) -> Neighbours:
    """Return the ``k`` nearest other rows of each row.

    A row is never its own neighbour, however many copies of it there are; a copy is, at distance 0. Rows of zero length
    have no direction: they have no neighbours and are nobody's neighbour.

    Args:
        vectors: (n, d) float32 unit vectors, or zero.
        k: neighbours per row.
        exact_rows: largest pool in which every pair is compared; n * n * d multiplications. Memory is that of the
            vectors and of a block of queries, never n * n.
        query: asks an index.
    """
    everyone = np.arange(len(vectors))
    start = Neighbours(np.full((len(vectors), k), -1, np.int64), np.full((len(vectors), k), np.nan, np.float32), 1.0, 0)
    return _search(vectors, everyone, start, exact_rows, query)


def update_neighbours(
    vectors: np.ndarray,
    stored: Neighbours,
    is_new: np.ndarray,
    exact_rows: int = EXACT_ROWS,
    query: Query = query_index,
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
        query: asks an index.
    """
    usable = directed(squared_norms(vectors))
    lost = ((stored.index < 0) & np.isfinite(stored.distance)).any(axis=1)
    # A list that was never full was limited by the size of the pool: any row may belong in it now.
    short = ~np.isfinite(stored.distance).all(axis=1) & usable
    afresh = is_new | lost | short
    index, distance = stored.index.copy(), stored.distance.copy()
    index[afresh], distance[afresh] = -1, np.nan
    old, new = np.flatnonzero(~afresh & usable), np.flatnonzero(is_new & usable)
    if len(old) and len(new):
        found, away = _flat(vectors, old, new, min(index.shape[1], len(new)), query)
        _merge(index, distance, old, found, away)
    kept = Neighbours(index, distance, stored.recall, 0)
    return _search(vectors, np.flatnonzero(afresh), kept, exact_rows, query)


def _search(vectors: np.ndarray, rows: np.ndarray, known: Neighbours, exact_rows: int, query: Query) -> Neighbours:
    """Fill the lists of ``rows`` by a search among all usable rows."""
    usable = directed(squared_norms(vectors))
    base, queries = np.flatnonzero(usable), rows[usable[rows]]
    index, distance = known.index, known.distance
    recall = known.recall
    if len(base) > 1 and len(queries):
        # One more than wanted, because a row finds itself; with many copies it may not, and then the last is cut off.
        wanted = min(index.shape[1] + 1, len(base))
        if len(base) <= exact_rows:
            found, away = _flat(vectors, queries, base, wanted, query)
        else:
            found, away, recall = _inverted(vectors, queries, base, wanted, query)
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


def _flat(
    vectors: np.ndarray, queries: np.ndarray, base: np.ndarray, k: int, query: Query
) -> tuple[np.ndarray, np.ndarray]:
    """Compare every query with every base row; (q, k) positions and distances."""
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors[base], np.float32))
    return query(flat, vectors, queries, base, k)


def _inverted(
    vectors: np.ndarray, queries: np.ndarray, base: np.ndarray, k: int, query: Query
) -> tuple[np.ndarray, np.ndarray, float]:
    """Search an inverted file, and measure on a sample of the queries how much it misses."""
    import faiss

    lists = int(4 * np.sqrt(len(base)))
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    inverted = faiss.IndexIVFFlat(quantizer, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    inverted.train(np.ascontiguousarray(vectors[base[:: max(1, len(base) // (64 * lists))]], np.float32))
    for start in range(0, len(base), _BLOCK):  # not at once, which would hold all vectors twice more
        inverted.add(np.ascontiguousarray(vectors[base[start : start + _BLOCK]], np.float32))
    inverted.nprobe = min(_PROBES, lists)
    found, away = query(inverted, vectors, queries, base, k)
    sample = np.arange(0, len(queries), max(1, len(queries) // _RECALL_ROWS))
    _, truth = _flat(vectors, queries[sample], base, k, query)
    recall = float((away[sample] <= truth[:, -1:] + 1e-4).mean())
    return found, away, recall


def _distances(vectors: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the distance (q, k) of each query to its own rows, infinite where a row is -1."""
    away = np.empty(rows.shape, np.float32)
    step = max(1, _PAIR_NUMBERS // max(1, rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        apart = vectors[rows[part]].astype(np.float32, copy=False)
        apart -= queries[part, None]
        away[part] = np.sqrt(np.einsum("qkd,qkd->qk", apart, apart))
    away[rows < 0] = np.inf
    return away
