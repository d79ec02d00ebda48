"""Rows whose mean, plain or weighted, is that of the pool or of a target: herding and matching pursuit.

Belongs here: both orders and the weights of the second. Does not: gradients (any vectors will do), clusters
(``stratify`` runs this inside each of them, which is TAGCOS).
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from datasel_assets.arrays.linear_algebra import lstsq, solve
from datasel_assets.arrays.vectors import BLOCK_ROWS, ScaledVectors, SubsetVectors, Vectors
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, need, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"vectors"})
RANKS_ALL = False
WORDING = Wording(", which leaves the mean {figures} away", by_score=False)

HELD_BYTES = 4 << 30
"""Vectors up to this size are held as float32; larger pools are read and widened again for every row chosen."""

TOLERANCE = 1e-4
"""A residual below this share of the mean's length counts as nothing (GradMatch's)."""

_GRID = 2.0**40


class Params(StrictModel, frozen=True):
    """What is matched, and how.

    Attributes:
        toward: ``pool``: the mean of the usable rows; ``target``: the mean of the target's queries.
        weights: False: herding, all rows weigh the same; True: non-negative orthogonal matching pursuit.
        ridge: for ``weights: true``: penalty on the sum of squared weights, beside vectors of length 1. GradMatch and
            TAGCOS use 1, which spreads the weight; 0 fits the mean as well as it can be.
        by: a score that is the length of each row's vector, such as ``gradient_norm.<name>``: stored vectors have
            length 1. Lengths are divided by the root of their mean square, so that ``ridge`` keeps its meaning. For
            ``toward: pool``.
    """

    toward: Literal["pool", "target"] = "pool"
    weights: bool = False
    ridge: float = Field(default=0.0, ge=0)
    by: str | None = None

    @model_validator(mode="after")
    def _together(self) -> "Params":
        if self.ridge and not self.weights:
            raise ValueError("'ridge' belongs to 'weights: true'")
        if self.by is not None and self.toward == "target":
            raise ValueError("'by' gives lengths to the rows alone, so it goes with 'toward: pool'")
        return self

    @model_serializer(mode="wrap")
    def _unsaid(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``by`` out where nothing is said: recipes that do not say it keep their versions."""
        return {key: value for key, value in dump(self).items() if key != "by" or value is not None}

    @property
    def weighted(self) -> bool:
        """Whether the rows come with weights."""
        return self.weights

    @property
    def requires(self) -> frozenset[str]:
        """The queries too, where their mean is matched, and the lengths."""
        return REQUIRES | ({"queries"} if self.toward == "target" else set()) | ({"scores"} if self.by else set())

    @property
    def ranks_all(self) -> bool:
        """Weights depend on the budget, and every row costs one pass."""
        return False


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Choose rows whose mean approaches a given mean.

    Herding (Welling 2009; survey Algorithm 3 as corrected in the errata): the next row is the one that brings the mean
    of the chosen rows closest to mu, argmin_x || mu - (s + x) / (t + 1) ||, s the sum of the t rows chosen so far. For
    rows of equal length this is Welling's argmax <w, x>, w <- w + mu - x, and the distance falls like 1 / t.

    With weights (GradMatch, arXiv 2103.00123, Algorithm 2; TAGCOS; the linear form of GIO): the next row is the one
    with the largest <r, x> / |x|, r = mu - sum_i w_i x_i, and all weights are fitted again under w >= 0. That is the
    active set method of Lawson and Hanson (1974) with the whole pool as its dictionary, so no weight is ever negative
    and none has to be thrown away. As many rows as dimensions can fit mu exactly. After as many (with ``ridge`` too,
    which never fits exactly), and before when mu is fitted or no row points along r, a new round begins over the rows
    that are left (as TAGCOS does), and the rounds share the weight by their number of rows. Weights are scaled so that
    sum_i w_i x_i is about the sum over the pool (n times the target's mean), also for several groups side by side.
    Where the rows point in many directions their mean is short, and the weights then sum to less than n.

    Args:
        candidates: ``vectors``, ``queries`` for ``toward: target``, and ``scores``, 0 or more, with ``by``.
        budget: number of rows.
        params: which mean, and which method.
        seed: not used; the methods are not random. Ties by row_id.

    Returns:
        The order; ``scores`` is the distance from mu to the chosen rows' mean (to their weighted sum over the number of
        usable rows, in the row's own round) once the row was there. Time: one product of all rows with one vector per
        row chosen, n x dim x budget, and with ``weights`` one system of at most dim equations each; memory: the vectors
        as float32, up to ``HELD_BYTES``.

    Raises:
        ValueError: the queries are not finite, or a length is negative.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, params.requires - {"queries"}))
    budget = min(budget, len(rows))
    if budget == 0:
        return Sample.of(np.empty(0, np.int64))
    vectors: Vectors = SubsetVectors(need(candidates, "vectors"), rows)
    if params.by:
        vectors = ScaledVectors(vectors, _lengths(np.asarray(need(candidates, "scores"), np.float64)[rows], params.by))
    pool = _Pool(vectors, candidates.ties[rows])
    if params.toward == "pool":
        mean = pool.total / len(rows)
    else:
        mean = np.asarray(need(candidates, "queries"), dtype=np.float64).mean(axis=0)
        if not np.isfinite(mean).all():
            raise ValueError("the target's queries hold NaN or infinity: embed the target again")
    if not params.weights:
        order, scores = _herd(pool, mean, budget)
        return Sample.of(rows[order], scores=scores)
    order, scores, weights = _pursue(pool, mean, budget, params.ridge)
    return Sample.of(rows[order], scores=scores, weights=weights * len(rows))


def _lengths(scores: np.ndarray, by: str) -> np.ndarray:
    """Return lengths whose mean square is 1."""
    if (scores < 0).any() or not np.isfinite(scores).all():
        raise ValueError(f"by: {by} has values that are no lengths (below 0, or infinite): name a gradient_norm score")
    root = float(np.sqrt(np.mean(scores**2)))
    return scores / root if root else scores


class _Pool:
    """The usable rows, and the search for the best of those that are left."""

    def __init__(self, vectors: Vectors, ties: np.ndarray) -> None:
        self.vectors = vectors
        self.ties = ties
        self.free = np.ones(vectors.n, dtype=bool)
        self.total = np.zeros(vectors.dim)
        self.lengths = np.empty(vectors.n)
        self._held: list[tuple[slice, np.ndarray]] | None = None
        hold = 4 * vectors.n * vectors.dim <= HELD_BYTES
        kept = []
        for part, block in self.blocks():
            wide = block.astype(np.float64)
            self.total += wide.sum(axis=0)
            self.lengths[part] = np.sqrt(np.vecdot(wide, wide))
            if hold:
                kept.append((part, block.copy()))
        self._held = kept if hold else None
        self.longest = float(self.lengths.max())

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (slice of the rows, float32 block)."""
        if self._held is not None:
            yield from self._held
            return
        for positions, block in self.vectors.blocks(BLOCK_ROWS):
            yield slice(int(positions[0]), int(positions[-1]) + 1), block

    def row(self, index: int) -> np.ndarray:
        """Return one row as float64 (dim,)."""
        return self.vectors.take(np.array([index]))[0].astype(np.float64)

    def best(self, direction: np.ndarray, factor: np.ndarray | None, shift: np.ndarray | None) -> tuple[int, float]:
        """Return the free row of the largest ``factor * <direction, x> - shift``, and that value.

        float32 products find the rows that may be the best; these few are computed again in float64, on a grid of
        2**-40 of the largest possible value, so that rounding decides no tie: row_id does.
        """
        coarse = direction.astype(np.float32)
        values = np.empty(len(self.free), dtype=np.float32)
        for part, block in self.blocks():
            np.matmul(block, coarse, out=values[part])
        if factor is not None:
            values *= factor
        if shift is not None:
            values -= shift
        values[~self.free] = -np.inf
        length = float(np.linalg.norm(direction))
        reach = self.longest if factor is None else 1.0
        size = length * reach + (0.0 if shift is None else self.longest**2)
        slack = 2 * (self.vectors.dim + 16) * 2.0**-24 * size
        hopefuls = np.flatnonzero(values >= np.float64(values.max()) - slack)
        exact = np.empty(len(hopefuls))
        for first in range(0, len(hopefuls), BLOCK_ROWS):
            some = hopefuls[first : first + BLOCK_ROWS]
            exact[first : first + BLOCK_ROWS] = np.vecdot(self.vectors.take(some).astype(np.float64), direction)
        if factor is not None:
            exact *= factor[hopefuls]
        if shift is not None:
            exact -= shift[hopefuls]
        grid = _GRID / size if size > 0 else 0.0
        first = np.lexsort((self.ties[hopefuls], -np.rint(exact * grid)))[0]
        return int(hopefuls[first]), float(exact[first])


def _herd(pool: _Pool, mean: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the order (b,) and the distance of the mean of each prefix from ``mean``."""
    order, distances = np.empty(budget, dtype=np.int64), np.empty(budget)
    total = np.zeros_like(mean)
    half_squares = pool.lengths**2 / 2
    for t in range(budget):
        # || mu - (s + x) / (t + 1) || is smallest where <(t + 1) mu - s, x> - |x|^2 / 2 is largest
        row, _ = pool.best((t + 1) * mean - total, None, half_squares)
        pool.free[row] = False
        total += pool.row(row)
        order[t], distances[t] = row, np.linalg.norm(mean - total / (t + 1))
    return order, distances


def _pursue(pool: _Pool, mean: np.ndarray, budget: int, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the order (b,), the residual after each row, and the weights of the whole, which sum to about 1."""
    order: list[int] = []
    residuals: list[float] = []
    rounds: list[np.ndarray] = []
    over_length = np.divide(1, pool.lengths, out=np.zeros(len(pool.lengths)), where=pool.lengths > 0)
    floor = TOLERANCE * float(np.linalg.norm(mean))
    while len(order) < budget:
        fit = _NonNegativeFit(mean, ridge)
        start = len(order)
        while len(order) < min(budget, start + len(mean)):
            row, along = pool.best(fit.residual, over_length, None)
            if along <= floor and len(order) > start:
                break
            pool.free[row] = False
            order.append(row)
            if along > 0:
                fit.add(pool.row(row))
            else:
                fit.add(None)  # no row that is left points towards the mean: it comes with weight 0
            residuals.append(float(np.linalg.norm(fit.residual)))
            if residuals[-1] <= floor:
                break
        rounds.append(fit.weights)
    shared = sum(len(own) for own in rounds if own.any())
    weights = np.concatenate([own * (len(own) / max(shared, 1)) for own in rounds])
    return np.array(order, dtype=np.int64), np.array(residuals), weights


class _NonNegativeFit:
    """argmin over w >= 0 of || mean - sum_i w_i x_i ||^2 + ridge |w|^2, for rows that come one by one."""

    def __init__(self, mean: np.ndarray, ridge: float) -> None:
        self.mean = mean
        self.ridge = ridge
        self.rows = np.empty((0, len(mean)))
        self.gram = np.empty((0, 0))
        self.along = np.empty(0)
        self.weights = np.empty(0)
        self.residual = mean

    def add(self, row: np.ndarray | None) -> None:
        """Take one more row and fit all weights again; None is a row that stays at weight 0."""
        m = len(self.weights)
        row = np.zeros_like(self.mean) if row is None else row
        gram = np.zeros((m + 1, m + 1))
        gram[:m, :m] = self.gram
        gram[m, :m] = gram[:m, m] = self.rows @ row
        gram[m, m] = row @ row + self.ridge
        self.gram = gram
        self.rows = np.vstack([self.rows, row])
        self.along = np.append(self.along, row @ self.mean)
        self.weights = np.append(self.weights, 0.0)
        active = self.weights > 0
        active[m] = gram[m, m] > self.ridge
        for _ in range(3 * (m + 1)):
            self._fit(active)
            # A row that was set aside may be wanted again now that another one has come.
            pull = self.along - self.gram @ self.weights
            pull[active | (np.diag(self.gram) <= self.ridge)] = 0
            if pull.max() <= 1e-10 * float(np.abs(self.along).max()):
                break
            active[int(pull.argmax())] = True
        self.residual = self.mean - self.weights @ self.rows

    def _fit(self, active: np.ndarray) -> None:
        """Fit the active weights; those that would turn negative leave ``active`` (changed in place) with weight 0."""
        while active.any():
            rows = np.flatnonzero(active)
            gram = self.gram[np.ix_(rows, rows)]
            try:
                wanted = solve(gram, self.along[rows])
            except np.linalg.LinAlgError:
                wanted = lstsq(gram, self.along[rows])[0]
            if (wanted > 0).all():
                self.weights[rows] = wanted
                return
            # Go as far as the first weight that reaches 0 (Lawson and Hanson, step 8 to 11).
            now = self.weights[rows]
            falling = wanted <= 0
            step = float((now[falling] / np.maximum(now[falling] - wanted[falling], 1e-300)).min())
            now = now + step * (wanted - now)
            now[falling & (now <= 1e-14 * max(float(now.max()), 1e-300))] = 0
            self.weights[rows] = np.maximum(now, 0)
            active[rows[self.weights[rows] == 0]] = False
