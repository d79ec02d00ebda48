"""The rows of an order that resemble no earlier one by cosine, exactly and without most of the products.

Belongs here: the blocks, and the bound that spares products. Does not: which order (``thin``), the compiled loops.
"""

from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.linear_algebra import eigh, product, qr
from datasel_assets.arrays.vectors import Vectors

BLOCK_ROWS = 512
TILE_ROWS = 2048
SAMPLE_ROWS = 1024
"""Rows from which the projection is made; it changes the time, never the result."""

_DIMS = (7, 15, 31, 63, 127)  # and the remainder
_GRID = 2.0**40
_SCAN, _PRODUCT, _EXACT = 0.5, 0.03, 0.5
"""Nanoseconds to look at a bound, per dimension of a bound, and per dimension of an exact cosine."""


def unlike(vectors: Vectors, order: np.ndarray, threshold: float, budget: int, among_kept: bool) -> np.ndarray:
    """Return the rows that stay when a cosine above the threshold with an earlier row forbids one.

    The rule is sequential, the work is not: a block of rows meets all earlier rows in one matrix product of short
    vectors. With Q an orthonormal basis of few directions and r(x) = |x - Q Q'x|, <x, y> <= <Q'x, Q'y> + r(x) r(y) for
    unit x and y (Cauchy and Schwarz in the rest of the space), which is one product of vectors (Q'x, r(x)). A pair
    whose bound stays below the threshold needs nothing more; the others are computed in float64 from the rows
    themselves, on a grid of 2**-40. So the result is that of the plain loop, on any machine, whatever the block size,
    the sample or the basis. How many directions pay is estimated from pairs of sampled rows.

    Args:
        vectors: rows with a direction.
        order: (m,) int64 distinct positions; earlier rows go first.
        threshold: largest cosine that is let through.
        budget: stop after so many rows.
        among_kept: compare with the rows that stayed (DEITA), or with all earlier rows (SemDeDup).

    Returns:
        (at most ``budget``,) int64: the positions that stay, in order. Time: pairs x the directions used, at worst
        pairs x dim; memory: the rows that are compared with as float32, and a block's bounds (4 MB).
    """
    from datasel_assets.samplers.thin_kernels import resembling, stay

    screen = _screen(vectors, order, threshold)
    low = np.float32(threshold - screen.slack)
    limit = np.rint(threshold * _GRID)
    store = _Store(vectors.dim, screen.basis.shape[1] + 1)
    kept: list[np.ndarray] = []
    room = budget
    bounds = np.empty(BLOCK_ROWS * TILE_ROWS, dtype=np.float32)
    for first in range(0, len(order), BLOCK_ROWS):
        if room == 0:
            break
        positions = order[first : first + BLOCK_ROWS]
        rows = vectors.take(positions)
        over_length, short = screen.shorten(rows)
        alive = np.arange(len(rows))
        for start in range(0, store.count, TILE_ROWS):
            tile = slice(start, min(start + TILE_ROWS, store.count))
            out = bounds[: len(alive) * (tile.stop - start)].reshape(len(alive), -1)
            np.matmul(short[alive], store.short[tile].T, out=out)
            found = resembling(
                out, low, rows, over_length, alive, store.rows[tile], store.over_length[tile], limit, _GRID
            )
            alive = alive[~found]
            if len(alive) == 0:
                break
        inside = short[alive] @ short.T
        stays = stay(inside, low, rows, over_length, alive, among_kept, room, limit, _GRID)
        room -= int(stays.sum())
        kept.append(positions[stays])
        with_them = stays if among_kept else np.ones(len(rows), dtype=bool)
        store.add(rows[with_them], over_length[with_them], short[with_them])
    return np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Screen:
    """Orthonormal directions (dim, p) float32, and how far a float32 bound may lie below the true one."""

    basis: np.ndarray
    slack: float

    def shorten(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return 1 / length (m,) float64 and (Q'x, r(x)) (m, p + 1) float32 of the rows (m, dim) at length 1."""
        wide = rows.astype(np.float64)
        over_length = 1 / np.sqrt(np.vecdot(wide, wide))
        short = np.empty((len(rows), self.basis.shape[1] + 1), dtype=np.float32)
        np.multiply(rows @ self.basis, over_length[:, None], out=short[:, :-1], casting="same_kind")
        inside = np.vecdot(short[:, :-1], short[:, :-1])
        # A remainder near 0 is the root of a rounding error: the slack under the root keeps it an upper bound.
        short[:, -1] = np.sqrt(np.maximum(1 - inside, 0) + np.float32(self.slack))
        return over_length, short


class _Store:
    """The rows that later ones are compared with; arrays grow by doubling."""

    def __init__(self, dim: int, short_dim: int) -> None:
        self.count = 0
        self.rows = np.empty((BLOCK_ROWS, dim), dtype=np.float32)
        self.over_length = np.empty(BLOCK_ROWS)
        self.short = np.empty((BLOCK_ROWS, short_dim), dtype=np.float32)

    def add(self, rows: np.ndarray, over_length: np.ndarray, short: np.ndarray) -> None:
        total = self.count + len(rows)
        for name, new in (("rows", rows), ("over_length", over_length), ("short", short)):
            own = getattr(self, name)
            if total > len(own):
                larger = np.empty((2 * total, *own.shape[1:]), dtype=own.dtype)
                larger[: self.count] = own[: self.count]
                setattr(self, name, own := larger)
            own[self.count : total] = new
        self.count = total


def _screen(vectors: Vectors, order: np.ndarray, threshold: float) -> _Screen:
    """Choose the directions: the leading ones of some rows, as many as make the whole cheapest."""
    slack = (vectors.dim + 64) * 2.0**-22
    if len(order) == 0:
        return _Screen(np.empty((vectors.dim, 0), dtype=np.float32), slack)
    sampled = vectors.take(order[np.linspace(0, len(order) - 1, min(len(order), SAMPLE_ROWS)).astype(np.int64)])
    rows = sampled.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    most = min(_DIMS[-1], vectors.dim, len(rows))
    if vectors.dim <= len(rows):
        directions = eigh(product(rows.T, rows))[1][:, ::-1][:, :most]
    else:
        directions = product(rows.T, eigh(product(rows, rows.T))[1][:, ::-1][:, :most])
    basis = qr(directions)
    left, right = rows[0::2], rows[1::2]
    cosines = left @ right.T
    best, cost = most, np.inf
    for p in (*(p for p in _DIMS if p < most), most):
        a, b = left @ basis[:, :p], right @ basis[:, :p]
        rest = [np.sqrt(np.maximum(1 - np.vecdot(x, x), 0)) for x in (a, b)]
        needless = (a @ b.T + np.outer(*rest) > threshold - slack) & (cosines <= threshold)
        share = float(needless.mean()) if needless.size else 0.0
        estimate = _SCAN + _PRODUCT * p + _EXACT * vectors.dim * share
        if estimate < cost:
            best, cost = p, estimate
    if cost > _SCAN + _PRODUCT * vectors.dim:
        return _Screen(np.eye(vectors.dim, dtype=np.float32), slack)
    return _Screen(np.ascontiguousarray(basis[:, :best], dtype=np.float32), slack)
