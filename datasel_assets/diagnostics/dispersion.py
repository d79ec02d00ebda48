"""How far the rows of a set spread around their mean and around the means of their groups. Not: nearest neighbours.

All of it takes two passes, O(n d); no pair of rows is ever formed.
"""

from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.vectors import Vectors
from datasel_assets.diagnostics.directions import unit_blocks


@dataclass(frozen=True)
class Dispersion:
    """Spread of unit vectors.

    Attributes:
        rows: rows with a direction.
        pair_distance: mean of 1 - cosine over all pairs of different rows, in [0, 2]; NaN below two rows.
        mean_distance: mean Euclidean distance to the mean of the set; NaN without rows.
        radius: geometric mean of the standard deviations of the coordinates, in [0, 1]; 0 where one does not vary.
        inertia: mean squared distance to the mean of the set, in [0, 1].
        within: mean squared distance to the mean of the row's own group, at most ``inertia``; over the rows that have
            a group, NaN without groups.
    """

    rows: int
    pair_distance: float
    mean_distance: float
    radius: float
    inertia: float
    within: float


def dispersion(vectors: Vectors, labels: np.ndarray | None = None) -> Dispersion:
    """Return the spread of a set of rows, each brought to length one.

    With S the sum of n unit rows and m = S / n: mean pair distance = 1 - (||S||^2 - n) / (n (n - 1)), inertia
    (1/n) sum ||x - m||^2 = 1 - ||m||^2, mean distance (1/n) sum ||x - m||; within groups the same about each group's
    mean (the objective of k-means where the groups are its clusters). Radius = (prod_j sigma_j)^(1/d) over the d
    coordinates (Lai et al. 2020, arXiv 2003.08529; survey Eq 34), summed as logarithms. It is that of the coordinates
    as they are: turning the vectors changes it, and with principal axes it would be 0 for every set of d rows or fewer.

    Args:
        vectors: n rows; those without a direction are left out.
        labels: int (n,), negative = no group; None for no groups. Memory is that of one float64 row per group.

    Raises:
        ValueError: labels and rows differ in number.
    """
    if labels is not None and len(labels) != vectors.n:
        raise ValueError(f"{len(labels)} labels for {vectors.n} rows: give one label per row")
    groups, codes = (np.zeros(0), None) if labels is None else np.unique(np.asarray(labels), return_inverse=True)
    sums, sizes = np.zeros((len(groups), vectors.dim)), np.zeros(len(groups))
    total, n = np.zeros(vectors.dim), 0
    for at, rows in unit_blocks(vectors):
        total += rows.sum(axis=0)
        n += len(rows)
        if codes is not None:
            _add(sums, codes[at], rows)
            sizes += np.bincount(codes[at], minlength=len(groups))
    if not n:
        return Dispersion(0, *[float("nan")] * 5)
    mean = total / n
    square = float(mean @ mean)
    away, squares = 0.0, np.zeros(vectors.dim)
    for _, rows in unit_blocks(vectors):
        away += float(np.sqrt(np.maximum(1 - 2 * (rows @ mean) + square, 0)).sum())
        squares += ((rows - mean) ** 2).sum(axis=0)
    with np.errstate(divide="ignore"):
        radius = float(np.exp(np.log(squares / n).mean() / 2))
    pairs = 1 - (n * square - 1) / (n - 1) if n > 1 else float("nan")
    real = (np.asarray(groups) >= 0) & (sizes > 0)
    grouped = sizes[real].sum()
    within = float("nan")
    if grouped:
        within = max(float(1 - (np.vecdot(sums[real], sums[real]) / sizes[real]).sum() / grouped), 0.0)
    return Dispersion(n, float(np.clip(pairs, 0, 2)), away / n, radius, max(1 - square, 0.0), within)


def _add(sums: np.ndarray, codes: np.ndarray, rows: np.ndarray) -> None:
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    if len(order):
        sums[codes[order][starts]] += np.add.reduceat(rows[order], starts, axis=0)
