"""The sampler contract and the small types that every sampler shares.

Belongs here: ``Vectors`` and its in-memory implementations, ``Candidates``, ``Sample``, and the rule that says which
rows may be chosen at all. Does not: any selection rule (one file each), scores, files, Dagster.

The contract, for every sampler of this folder (``datasel_assets_tests/samplers/test_contract.py`` checks each line):

- it returns exactly ``min(budget, usable rows)`` distinct rows, as an ORDER: a smaller budget gives a prefix (but for
  samplers whose ``Params`` say ``prefix = False``: there every budget has a subset of its own);
- a row that is not ``eligible`` is never chosen, nor is one whose score is NaN, whose vector is zero or not finite, or
  that has no group, when the sampler needs a score, vector or group; NaN is never read as minus infinity;
- ties are broken by ``row_id``, so permuting the rows permutes the result and the file layout never matters;
- randomness comes only from ``seed``;
- budget 0, a budget beyond the pool, one row, duplicate rows and constant scores or vectors all work.

A sampler is a module with

- ``Params``: a ``StrictModel``, the keys that YAML may set;
- ``REQUIRES``: which parts of ``Candidates`` it reads: ``scores``, ``groups``, ``vectors``, ``queries``, ``tags``,
  ``label_graph`` and ``texts``;
- ``RANKS_ALL``: whether ordering the whole pool costs about as much as ordering the budget;
- ``sample(candidates, budget, params, seed) -> Sample``.

``Params`` may have properties that say more than the module does: ``requires`` and ``ranks_all`` where these depend on
the parameters, ``may_fall_short`` where fewer rows than the budget may come back although more are usable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from datasel_assets.samplers.half import half_to_float

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK_ROWS = 4096
"""Rows per block where a sampler has no reason to prefer another number."""


@runtime_checkable
class Vectors(Protocol):
    """Rows of float vectors that are read in blocks, so that the pool need not fit in memory as float32.

    The rows are unit vectors, or zero where a row has no direction. Positions run from 0 to ``n`` - 1.
    """

    @property
    def n(self) -> int:
        """Number of rows."""
        ...

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        ...

    def blocks(self, max_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield every row once as ``(positions (m,) int64, rows (m, dim) float32)`` with ``m <= max_rows``.

        The row array may be reused for the next block: copy what must outlive the iteration.
        """
        ...

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows at ``indices`` (m,) as a new float32 array (m, dim)."""
        ...


class ArrayVectors:
    """``Vectors`` over one array in memory or memory-mapped.

    Args:
        array: (n, dim), float16, float32 or float64. float16 is widened block by block; float64 is rounded to float32.

    Raises:
        ValueError: the array is not two-dimensional or not of a float type.
    """

    def __init__(self, array: np.ndarray) -> None:
        if array.ndim != 2:
            raise ValueError(f"vectors must be a two-dimensional array (rows, dimensions), got shape {array.shape}")
        if array.dtype.kind != "f":
            raise ValueError(f"vectors must be float16, float32 or float64, got {array.dtype}")
        self.array = array

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.array.shape[0]

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.array.shape[1]

    def blocks(self, max_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield consecutive blocks; float32 input is not copied, other types share one buffer."""
        buffer = None
        for start in range(0, self.n, max_rows):
            stop = min(start + max_rows, self.n)
            block = self.array[start:stop]
            if block.dtype != np.float32 or not block.flags.c_contiguous:
                if buffer is None:
                    buffer = np.empty((min(max_rows, self.n), self.dim), dtype=np.float32)
                block = _widen(block, buffer[: stop - start])
            yield np.arange(start, stop, dtype=np.int64), block

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Gather rows into a new float32 array."""
        return _widen(self.array[indices], np.empty((len(indices), self.dim), dtype=np.float32))


class SubsetVectors:
    """The rows ``rows`` of other vectors, renumbered from 0: a group, or a sample of the pool.

    Args:
        base: where the rows are read from.
        rows: (m,) int64 positions in ``base``.
    """

    def __init__(self, base: Vectors, rows: np.ndarray) -> None:
        self.base = base
        self.rows = np.asarray(rows, dtype=np.int64)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.base.dim

    def blocks(self, max_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield consecutive blocks, gathered from the base."""
        for start in range(0, self.n, max_rows):
            rows = self.rows[start : start + max_rows]
            yield np.arange(start, start + len(rows), dtype=np.int64), self.base.take(rows)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Gather rows into a new float32 array."""
        return self.base.take(self.rows[indices])


@dataclass(frozen=True, eq=False)
class Tags:
    """The tags of each row: a set of labels per row, in compressed sparse rows.

    Attributes:
        indptr: (n + 1,) int64: the labels of row i are ``indices[indptr[i]:indptr[i + 1]]``.
        indices: int32 labels, distinct and ascending inside a row, below ``size``.
        size: how many labels there are, those without a row included.
    """

    indptr: np.ndarray
    indices: np.ndarray
    size: int

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def counts(self) -> np.ndarray:
        """(n,) int64: labels of each row; 0 for a row without tags."""
        return np.diff(self.indptr)

    def take(self, rows: np.ndarray) -> "Tags":
        """Return the tags of ``rows`` (m,); the labels keep their numbers."""
        rows = np.asarray(rows, dtype=np.int64)
        counts = self.counts[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        inside = np.arange(indptr[-1]) - np.repeat(indptr[:-1], counts)
        return Tags(indptr, self.indices[np.repeat(self.indptr[rows], counts) + inside], self.size)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The pool that a sampler chooses from. All arrays are aligned; only ``row_ids`` is always needed.

    Attributes:
        row_ids: (n,) numpy string array, unique; breaks ties and seeds per-row randomness.
        eligible: (n,) bool, or None for all rows: False keeps a row out (dropped by a rule, zero vector, ...).
        scores: (n,) float; larger is better; NaN = not computable.
        groups: (n,) integer or string labels.
        vectors: n rows.
        queries: (t, dim) float, the target's vectors.
        query_tasks: (t,) labels: which task each query belongs to.
        tags: the labels of n rows; a row without any cannot be chosen by a sampler that needs them.
        label_graph: (size, size) similarity of labels, sparse, non-negative, symmetric.
        texts: (n,) strings: what lexical overlap is measured on.
        costs: (n,) positive: tokens of each row where the budget is in tokens; for samplers that weigh gain by cost.
            None where every row costs the same.
    """

    row_ids: np.ndarray
    eligible: np.ndarray | None = None
    scores: np.ndarray | None = None
    groups: np.ndarray | None = None
    vectors: Vectors | None = None
    queries: np.ndarray | None = None
    query_tasks: np.ndarray | None = None
    tags: Tags | None = None
    label_graph: "csr_array | None" = None
    texts: np.ndarray | None = None
    costs: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("eligible", "scores", "groups", "texts", "costs"):
            value = getattr(self, name)
            if value is not None and np.shape(value) != (self.n,):
                raise ValueError(f"{name} has shape {np.shape(value)}, expected ({self.n},) like row_ids")
        for name in ("vectors", "tags"):
            value = getattr(self, name)
            if value is not None and value.n != self.n:
                raise ValueError(f"{name} has {value.n} rows, expected {self.n} like row_ids")
        if self.label_graph is not None and self.tags is not None:
            shape = (self.tags.size, self.tags.size)
            if self.label_graph.shape != shape:
                raise ValueError(f"label_graph has shape {self.label_graph.shape}, expected {shape} like the tags")
        if self.queries is not None:
            if self.queries.ndim != 2 or len(self.queries) == 0:
                raise ValueError(f"queries must be a (t, dim) array with t >= 1, got shape {self.queries.shape}")
            if self.vectors is not None and self.queries.shape[1] != self.vectors.dim:
                raise ValueError(
                    f"queries have {self.queries.shape[1]} dimensions and vectors {self.vectors.dim}: "
                    "embed the target with the same representation as the pool"
                )
            if self.query_tasks is not None and len(self.query_tasks) != len(self.queries):
                raise ValueError(f"query_tasks has {len(self.query_tasks)} labels for {len(self.queries)} queries")

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.row_ids)

    @cached_property
    def ties(self) -> np.ndarray:
        """(n,) int64: the place of each row when the pool is sorted by ``row_id``; smaller wins a tie.

        Raises:
            ValueError: a row_id repeats; ties could then not be broken.
        """
        ids = np.asarray(self.row_ids)
        order = None if np.all(ids[1:] > ids[:-1]) else np.argsort(ids, kind="stable")
        if order is None:
            return np.arange(self.n, dtype=np.int64)
        ids = ids[order]
        repeated = np.flatnonzero(ids[1:] == ids[:-1])
        if len(repeated):
            raise ValueError(f"row_id {str(ids[repeated[0]])!r} occurs more than once among the candidates")
        ties = np.empty(self.n, dtype=np.int64)
        ties[order] = np.arange(self.n, dtype=np.int64)
        return ties

    def subset(self, rows: np.ndarray) -> "Candidates":
        """Return the candidates at ``rows`` (m,), renumbered from 0; queries are shared."""

        def cut(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        return Candidates(
            row_ids=self.row_ids[rows],
            eligible=cut(self.eligible),
            scores=cut(self.scores),
            groups=cut(self.groups),
            vectors=None if self.vectors is None else SubsetVectors(self.vectors, rows),
            queries=self.queries,
            query_tasks=self.query_tasks,
            tags=None if self.tags is None else self.tags.take(rows),
            label_graph=self.label_graph,
            texts=cut(self.texts),
            costs=cut(self.costs),
        )


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows a sampler chose, best first.

    Attributes:
        order: (b,) int64 positions in the candidates.
        scores: (b,) float32: what each row was chosen for (length, similarity, distance); NaN where there is none.
        selected_for: (b,) int32: the query whose turn took the row; -1 where there is none.
        weights: (b,) float32 training weights, or None for equal weights.
        row_scores: (n,) float32: for the rows that were NOT chosen, the number to hold against ``scores``; None where
            the method has none at hand.
        notes: what the reader of the result should know, in sentences.
    """

    order: np.ndarray
    scores: np.ndarray
    selected_for: np.ndarray
    weights: np.ndarray | None = None
    row_scores: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        order: np.ndarray,
        scores: np.ndarray | None = None,
        selected_for: np.ndarray | None = None,
        row_scores: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        notes: tuple[str, ...] = (),
    ) -> "Sample":
        """Build a sample with the contract's types, filling what the method does not have."""
        b = len(order)
        return cls(
            order=np.asarray(order, dtype=np.int64),
            scores=np.full(b, np.nan, np.float32) if scores is None else np.asarray(scores, dtype=np.float32),
            selected_for=np.full(b, -1, np.int32) if selected_for is None else selected_for.astype(np.int32),
            weights=None if weights is None else np.asarray(weights, dtype=np.float32),
            row_scores=row_scores,
            notes=notes,
        )

    def head(self, budget: int) -> "Sample":
        """Return the first ``budget`` rows: by the prefix rule, what the sampler gives for that smaller budget."""
        return Sample(
            order=self.order[:budget],
            scores=self.scores[:budget],
            selected_for=self.selected_for[:budget],
            weights=None if self.weights is None else self.weights[:budget],
            notes=self.notes,
        )


class SamplerModule(Protocol):
    """What a module of this folder offers; the registry ``SAMPLERS`` holds these."""

    @property
    def Params(self) -> Any:
        """The model of the keys that YAML may set."""
        ...

    @property
    def REQUIRES(self) -> frozenset[str]:
        """Parts of ``Candidates`` that are read."""
        ...

    @property
    def RANKS_ALL(self) -> bool:
        """Whether ordering the whole pool costs about as much as ordering the budget."""
        ...

    def sample(self, candidates: Candidates, budget: int, params: Any, seed: int) -> Sample:
        """Choose and order ``min(budget, usable)`` rows."""
        ...


def check_budget(budget: int) -> int:
    """Return ``budget``.

    Raises:
        ValueError: it is negative.
    """
    if budget < 0:
        raise ValueError(f"budget must be 0 or more rows, got {budget}")
    return int(budget)


def need(candidates: Candidates, part: str) -> Any:
    """Return ``candidates.<part>``.

    Raises:
        ValueError: the part is missing although the sampler requires it.
    """
    value = getattr(candidates, part)
    if value is None:
        raise ValueError(f"this sampler needs candidates.{part}, which is None")
    return value


def usable_rows(candidates: Candidates, requires: frozenset[str]) -> np.ndarray:
    """Say which rows a sampler with these requirements may choose.

    Args:
        candidates: the pool.
        requires: the parts that the sampler reads; ``vectors`` costs one pass over them.

    Returns:
        (n,) bool, a new array: eligible, and with a finite score, a group and a finite non-zero vector as required.
    """
    usable = np.ones(candidates.n, bool) if candidates.eligible is None else candidates.eligible.astype(bool)
    if "scores" in requires:
        usable &= ~np.isnan(np.asarray(need(candidates, "scores"), dtype=np.float64))
    if "groups" in requires:
        groups = np.asarray(need(candidates, "groups"))
        if groups.dtype.kind == "f":
            usable &= ~np.isnan(groups)
    if "tags" in requires:
        usable &= need(candidates, "tags").counts > 0
    if "vectors" in requires:
        for rows, block in need(candidates, "vectors").blocks(BLOCK_ROWS):
            usable[rows] &= directed(squared_norms(block))
    return usable


def positions_of(row_ids: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
    """Return the position of each wanted id, each once.

    Raises:
        ValueError: an id is not there.
    """
    if not wanted:
        return np.empty(0, dtype=np.int64)
    found = np.flatnonzero(np.isin(row_ids, np.array(wanted)))
    missing = set(wanted) - set(row_ids[found].tolist())
    if missing:
        raise ValueError(f"existing row_id {min(missing)!r} is not in the pool ({len(missing)} such ids)")
    return found


def squared_norms(block: np.ndarray) -> np.ndarray:
    """Return the squared length (m,) float32 of each row; NaN or infinite where the row is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.vecdot(block, block)


def directed(norms: np.ndarray) -> np.ndarray:
    """Return (m,) bool: the squared length is finite and above zero, so the row has a direction."""
    return (norms > 0) & (norms < np.inf)


def _widen(source: np.ndarray, out: np.ndarray) -> np.ndarray:
    if source.dtype == np.float16:
        return half_to_float(source, out)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, hence not usable
        np.copyto(out, source, casting="same_kind")
    return out
