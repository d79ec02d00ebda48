"""The best rows of the pool for each query list, streamed: one matrix product per block, never the N x T matrix.

Belongs here: ``top_lists`` (exact, complete lists down to a depth) and ``nearest_query`` (each row's best query).
Does not: what is done with the lists (``round_robin``), or where vectors come from.

Exactness. A float32 product depends in its last bits on the block's shape and the row's place in it, so it is used to
FIND rows only: it keeps every row that could belong to a list, given the rounding bound ``reach`` below. The score that
orders the list and is reported is recomputed for these few rows as a float64 product rounded to float32. float16
vectors of about unit length have exact float64 products, so the order cannot depend on blocks, threads or libraries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.vectors import Vectors, directed, squared_norms

SPARE_ENTRIES = 1 << 21
"""Entries that may wait, beyond twice the lists' depth, before they are cut back; 12 bytes each."""

_SLACK = 1.5  # thresholds that are set while streaming allow for rows that are longer than any seen so far
_UNDERFLOW = 2.0**-120  # below this float32 products lose their relative precision; also parts the ties of a zero query


@dataclass(frozen=True, eq=False)
class TopLists:
    """The best rows of each list, best first: score descending, then tie rank ascending.

    Attributes:
        rows: per list, int64 positions; exactly the list's best ``len(rows[g])`` usable rows.
        scores: per list, float32.
        queries: per list, int32: the query of the list that gave the score (lowest index on a tie).
        usable: number of rows that may be chosen at all; a list of that length is complete.
        max_norm: length of the longest usable row.
    """

    rows: Sequence[np.ndarray]
    scores: Sequence[np.ndarray]
    queries: Sequence[np.ndarray]
    usable: int
    max_norm: float

    def complete(self, index: int) -> bool:
        """Whether list ``index`` holds every usable row."""
        return len(self.rows[index]) >= self.usable


def block_rows(dim: int, n_queries: int) -> int:
    """Return how many rows per block keep the block and its scores near the CPU's cache (4 MB each)."""
    return int(np.clip((1 << 20) // max(dim, n_queries, 1) // 64 * 64, 256, 8192))


def top_lists(
    vectors: Vectors,
    queries: np.ndarray,
    depth: int,
    ties: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    eligible: np.ndarray | None = None,
    floors: np.ndarray | None = None,
    max_norm: float = 0.0,
    rows_per_block: int | None = None,
) -> TopLists:
    """Stream the pool once and return, for each list, its best rows by ``max over the list's queries of <q, x>``.

    Every returned list is exact: it holds precisely the best rows of the pool down to its own length. Without
    ``floors`` the length is at least ``min(depth, usable rows)``. With ``floors`` (guessed scores, one per list) the
    pass is faster, as rows below the floor are not kept; a list then holds the rows above its floor, ``depth`` at most.

    Memory: about 36 bytes x lists x depth, and 8 MB for the block; nothing that grows with n.

    Args:
        vectors: n rows; zero and non-finite rows are not usable.
        queries: (t, dim) finite float.
        depth: rows wanted per list, at least 1.
        ties: (n,) int64 distinct: smaller wins among equal scores.
        groups: (t,) int: the list that each query belongs to, 0 .. lists-1, each used; None: one list per query.
        eligible: (n,) bool or None.
        floors: (lists,) float or None.
        max_norm: length of the longest row seen in an earlier pass. It only sets how much room the thresholds leave for
            rounding; without it a list may end short of ``depth`` when the longest row comes last.
        rows_per_block: block size, for tests.

    Returns:
        The lists.
    """
    t = len(queries)
    groups = np.arange(t) if groups is None else np.asarray(groups)
    by_list = np.argsort(groups, kind="stable")
    n_lists = int(groups.max()) + 1
    starts = np.searchsorted(groups[by_list], np.arange(n_lists))
    members = np.split(by_list, starts[1:])
    sorted_queries = np.ascontiguousarray(queries[by_list], dtype=np.float32)
    lengths = np.maximum.reduceat(np.linalg.norm(sorted_queries.astype(np.float64), axis=1), starts)

    rows_per_block = rows_per_block or block_rows(vectors.dim, t)
    found = _Found(depth, _rounding(vectors.dim) * lengths, floors, max_norm)
    usable = 0
    products = np.empty(t * rows_per_block, dtype=np.float32)
    for rows, block in vectors.blocks(rows_per_block):
        norms = squared_norms(block)
        good = directed(norms)
        if eligible is not None:
            good &= eligible[rows]
        if not good.all():
            rows, block, norms = rows[good], block[good], norms[good]
        if len(rows) == 0:
            continue
        usable += len(rows)
        found.max_norm = max(found.max_norm, float(norms.max()) ** 0.5)
        scores = products[: t * len(rows)].reshape(t, len(rows))
        np.matmul(sorted_queries, block.T, out=scores)
        if n_lists < t:
            scores = np.maximum.reduceat(scores, starts, axis=0)
        if not np.isfinite(found.thresholds[0]):
            found.calibrate(scores)
        hits = np.flatnonzero(scores >= found.thresholds[:, None])
        if len(hits) == 0:
            continue
        which, column = np.divmod(hits, len(rows))
        found.add(which, rows[column], scores.reshape(-1)[hits])
        if found.pending > found.limit:
            found.shrink(vectors, queries, members, ties)
    return found.finish(vectors, queries, members, ties, usable)


def nearest_query(
    vectors: Vectors,
    queries: np.ndarray,
    *,
    offsets: np.ndarray | None = None,
    eligible: np.ndarray | None = None,
    rows_per_block: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return for every row the query that is best for it by ``<q, x> - offset_q``, and ``<q, x>`` itself.

    With the score that each query got down to as its offset, this is the query by which a row came closest to being
    chosen.

    Args:
        vectors: n rows.
        queries: (t, dim) finite float.
        offsets: (t,) float, infinite for a query that must not win; None for zeros.
        eligible: (n,) bool or None.
        rows_per_block: block size, for tests.

    Returns:
        ``(scores (n,) float32, query (n,) int32)``; NaN and -1 for rows that are not usable. The lowest query index
        wins a tie.
    """
    t = len(queries)
    queries32 = np.ascontiguousarray(queries, dtype=np.float32)
    queries64 = queries32.astype(np.float64)
    shift = np.zeros(t) if offsets is None else np.asarray(offsets, dtype=np.float64)
    shift32 = shift.astype(np.float32)[:, None]
    finite = np.abs(shift[np.isfinite(shift)])
    longest_query = float(np.linalg.norm(queries64, axis=1).max())
    best = np.full(vectors.n, np.nan, dtype=np.float32)
    query = np.full(vectors.n, -1, dtype=np.int32)
    for rows, block in vectors.blocks(rows_per_block or block_rows(vectors.dim, t)):
        norms = squared_norms(block)
        good = directed(norms)
        if eligible is not None:
            good &= eligible[rows]
        rows, block = rows[good], block[good]
        if len(rows) == 0:
            continue
        scores = queries32 @ block.T
        if offsets is not None:
            scores -= shift32
        reach = _rounding(vectors.dim) * longest_query * float(norms[good].max()) ** 0.5
        reach += 2.0**-22 * float(finite.max(initial=0.0))
        # Queries within the rounding bound of a row's maximum are compared again in float64: mostly one per row.
        which, column = np.nonzero(scores >= (scores.max(axis=0) - np.float32(2 * reach)))
        exact = np.vecdot(block[column].astype(np.float64), queries64[which]).astype(np.float32)
        value = exact - shift[which]
        order = np.lexsort((which, -value, column))
        first = order[np.searchsorted(column[order], np.arange(len(rows)))]
        best[rows] = exact[first]
        query[rows] = which[first]
    return best, query


def exact_scores(
    vectors: Vectors, rows: np.ndarray, queries: np.ndarray, members: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``max over members of <q, x>`` as float32 rounded from float64, and the query that attains it.

    Args:
        vectors: where the rows are read from.
        rows: (m,) int64 positions.
        queries: (t, dim).
        members: (k,) int indices of the queries of the list, ascending.

    Returns:
        ``(scores (m,) float32, query (m,) int32)``.
    """
    chosen = queries[members].astype(np.float32).astype(np.float64)
    scores = np.empty(len(rows), dtype=np.float32)
    best = np.zeros(len(rows), dtype=np.int64)
    step = block_rows(vectors.dim, len(members))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        block = vectors.take(rows[part]).astype(np.float64)
        if len(members) == 1:
            scores[part] = np.vecdot(block, chosen[0])
        else:
            products = (block @ chosen.T).astype(np.float32)
            best[part] = products.argmax(axis=1)
            scores[part] = products.max(axis=1)
    return scores, members[best].astype(np.int32)


def _rounding(dim: int) -> float:
    """Bound on |float32 product - exact product| per unit of both lengths: (d + 8) roundings of 2**-24 (Higham 3.5)."""
    return (dim + 8) * 2.0**-24


class _Found:
    """The rows kept so far: (list, row, approximate score) triples, cut back to the depth when they grow too many."""

    def __init__(self, depth: int, bounds: np.ndarray, floors: np.ndarray | None, max_norm: float) -> None:
        n_lists = len(bounds)
        self.depth = depth
        self.bounds = bounds  # rounding bound per list for rows of length 1
        self.max_norm = max_norm
        start = np.full(n_lists, -np.inf) if floors is None else np.asarray(floors, dtype=np.float64)
        self.thresholds = _float32_below(start - 2 * _SLACK * self.reach)
        self.cut = np.zeros(n_lists, dtype=bool)  # lists from which rows beyond the depth have been thrown away
        self.pending = 0
        self.limit = 2 * n_lists * depth + SPARE_ENTRIES
        self._lists: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    @property
    def reach(self) -> np.ndarray:
        """How far a float32 score may lie from the exact one, per list, for the rows seen so far."""
        return self.bounds * self.max_norm + _UNDERFLOW

    def calibrate(self, scores: np.ndarray) -> None:
        """Start from the depth-th best score of the first block (lists, m), so that not all of it is kept."""
        m = scores.shape[1]
        if m > self.depth:
            last = np.partition(scores, m - self.depth, axis=1)[:, m - self.depth].astype(np.float64)
            self.thresholds = _float32_below(last - 2 * _SLACK * self.reach)

    def add(self, lists: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> None:
        self._lists.append(lists.astype(np.uint16 if len(self.cut) < 1 << 16 else np.int32))
        self._rows.append(rows.astype(np.int32 if rows.size == 0 or rows.max() < 1 << 31 else np.int64))
        self._scores.append(scores)
        self.pending += len(rows)

    def _by_list(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Merge what is pending; one (rows, scores) pair per list."""
        n_lists = len(self.cut)
        if not self._lists:
            return [(np.empty(0, np.int32), np.empty(0, np.float32)) for _ in range(n_lists)]
        lists = np.concatenate(self._lists)
        order = np.argsort(lists, kind="stable")  # a radix sort for 16-bit numbers
        ends = np.cumsum(np.bincount(lists, minlength=n_lists))[:-1]
        del lists
        self._lists.clear()
        rows = np.concatenate(self._rows)[order]
        self._rows.clear()
        scores = np.concatenate(self._scores)[order]
        self._scores.clear()
        self.pending = 0
        return list(zip(np.split(rows, ends), np.split(scores, ends), strict=True))

    def shrink(self, vectors: Vectors, queries: np.ndarray, members: list[np.ndarray], ties: np.ndarray) -> None:
        """Throw away rows that are certainly beyond the depth of their list, and raise the thresholds."""
        for index, (rows, scores) in enumerate(self._by_list()):
            if len(rows) > self.depth:
                reach = _SLACK * float(self.reach[index])
                last = np.partition(scores, len(scores) - self.depth)[len(scores) - self.depth]
                threshold = _float32_below(np.float64(last) - 2 * reach)
                keep = scores >= threshold
                rows, scores = rows[keep], scores[keep]
                if len(rows) > 2 * self.depth:
                    # Mostly ties: the approximate scores cannot part them, so the exact order must.
                    exact, _ = exact_scores(vectors, rows, queries, members[index])
                    first = np.lexsort((ties[rows], -exact))[: self.depth]
                    threshold = _float32_below(np.float64(exact[first[-1]]) - reach)
                    rows, scores = rows[first], scores[first]
                self.thresholds[index] = max(self.thresholds[index], threshold)
                self.cut[index] = True
            self.add(np.full(len(rows), index), rows, scores)
        # Rows that survive every cut (ties within rounding) must not make the next cut come at once.
        self.limit = max(self.limit, 2 * self.pending)

    def finish(
        self, vectors: Vectors, queries: np.ndarray, members: list[np.ndarray], ties: np.ndarray, usable: int
    ) -> TopLists:
        """Order each list exactly and cut it where it stops being certain."""
        self.shrink(vectors, queries, members, ties)
        all_rows, all_scores, all_queries = [], [], []
        for index, (rows, _) in enumerate(self._by_list()):
            scores, query = exact_scores(vectors, rows, queries, members[index])
            order = np.lexsort((ties[rows], -scores))
            if np.isfinite(self.thresholds[index]):
                # A row that was not kept has an approximate score below the threshold, hence an exact one below this.
                level = np.float32(np.float64(self.thresholds[index]) + self.reach[index])
                order = order[: int(np.count_nonzero(scores > level))]
                if self.cut[index]:
                    order = order[: self.depth]
            all_rows.append(rows[order].astype(np.int64))
            all_scores.append(scores[order])
            all_queries.append(query[order])
        return TopLists(all_rows, all_scores, all_queries, usable, self.max_norm)


def _float32_below(values: np.ndarray | np.float64) -> np.ndarray:
    """Round to float32, never upwards."""
    with np.errstate(over="ignore"):
        rounded = np.asarray(values, dtype=np.float64).astype(np.float32)
    return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)
