"""What is left of the similarities of gradients when few numbers of each are stored.

Belongs here: the comparison on a sample of rows, and where the length of gradients comes from. Does not: gradients
(``models``), choosing the sample (``tables.vectors.gradient_fidelity``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.diagnostics.lds import spearman
from datasel_assets.representations.fidelity import round_robin

FEWEST = 50
"""Rows beside the queries below which a rank correlation is mostly chance: its standard error is 1 / sqrt(rows - 1)."""

SHARE = 0.1
"""Share of the rows that are selected when selections are compared."""


@dataclass(frozen=True)
class GradientFidelity:
    """Agreement of stored vectors with whole gradients, by cosine; NaN where there are too few rows.

    Attributes:
        rows: rows compared with the queries.
        queries: rows that they were compared with.
        spearman: rank correlation of stored with exact cosines to one query, the mean over the queries.
        spearman_of_mean: the same of the mean cosine with all queries, as toward a target of many examples.
        overlap: share of a round-robin selection of one row in ten toward the queries that stays.
    """

    rows: int
    queries: int
    spearman: float
    spearman_of_mean: float
    overlap: float


def gradient_fidelity(stored: np.ndarray, exact: np.ndarray) -> GradientFidelity:
    """Compare stored with exact cosines.

    Args:
        stored: (n, q) cosines of the stored vectors of n rows with those of q queries, none of which is a row.
        exact: (n, q) the same of the whole gradients.

    Raises:
        ValueError: the shapes differ.
    """
    if stored.shape != exact.shape or stored.ndim != 2:
        raise ValueError(f"stored cosines {stored.shape} and exact ones {exact.shape}: both must be (rows, queries)")
    rows, queries = stored.shape
    nothing = float("nan")
    if rows < FEWEST or not queries:
        return GradientFidelity(rows, queries, nothing, nothing, nothing)
    budget = max(1, round(SHARE * rows))
    chosen = [set(round_robin(cosines.T, budget).tolist()) for cosines in (stored, exact)]
    return GradientFidelity(
        rows=rows,
        queries=queries,
        spearman=float(np.mean([spearman(a, b) for a, b in zip(stored.T, exact.T, strict=True)])),
        spearman_of_mean=spearman(stored.mean(axis=1), exact.mean(axis=1)),
        overlap=len(chosen[0] & chosen[1]) / budget,
    )


def energy_shares(squares: np.ndarray) -> np.ndarray:
    """Return the share (k,) of each of k layers in the squared length of a gradient, the mean over rows.

    Each row counts the same, however long its gradient is; rows without a gradient have no part.

    Args:
        squares: (n, k) squared lengths of the layers' gradients.
    """
    known = squares[squares.sum(axis=1) > 0].astype(np.float64)
    if not len(known):
        return np.zeros(squares.shape[1])
    return (known / known.sum(axis=1, keepdims=True)).mean(axis=0)


def block_and_kind(module: str) -> tuple[str, str]:
    """Return the number of the block that a layer is in, and what it is called there.

    >>> block_and_kind("model.layers.3.self_attn.q_proj")
    ('3', 'q_proj')
    """
    parts = module.split(".")
    return next((part for part in parts if part.isdigit()), "0"), parts[-1]


def energy_grid(modules: Sequence[str], shares: np.ndarray) -> tuple[list[str], list[str], np.ndarray]:
    """Return the blocks, the kinds of layers, and the shares as a (kinds, blocks) grid, in the order of the model."""
    places = [block_and_kind(module) for module in modules]
    blocks = list(dict.fromkeys(block for block, _ in places))
    kinds = list(dict.fromkeys(kind for _, kind in places))
    grid = np.zeros((len(kinds), len(blocks)))
    for (block, kind), share in zip(places, shares, strict=True):
        grid[kinds.index(kind), blocks.index(block)] += share
    return blocks, kinds, grid
