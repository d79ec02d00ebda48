"""The pool that a sampler chooses from, and which of its rows may be chosen at all.

Belongs here: ``Candidates`` with its parts, and the rules that say which rows are usable. Not here: how vectors are
stored (``vectors``), the contract of samplers (``base``), any selection rule.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.arrays.vectors import BLOCK_ROWS, SubsetVectors, Vectors, directed, squared_norms

if TYPE_CHECKING:
    from scipy.sparse import csr_array


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

    @classmethod
    def of_pairs(cls, rows: np.ndarray, labels: np.ndarray, n: int, size: int) -> "Tags":
        """Return the tags of ``n`` rows from (row, label) pairs.

        Args:
            rows: (t,) ascending.
            labels: (t,) ascending and distinct inside a row.
            n: how many rows there are, those without a tag included.
            size: how many labels there are, those without a row included.
        """
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
        return cls(indptr, np.asarray(labels, np.int32), size)

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
