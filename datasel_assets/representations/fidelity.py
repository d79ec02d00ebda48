"""What compression does to neighbourhoods and to a selection.

Belongs here: the comparison on a sample of rows. Not: choosing the sample, or judging a representation by a task.
"""

from dataclasses import dataclass

import numpy as np

from datasel_assets.representations.compress import Basis, compress, layer_energy, prepare
from datasel_assets.specs.compress import CompressSpec

PROBE_BLOCK = 256


@dataclass(frozen=True)
class Fidelity:
    """Agreement of compressed vectors with the uncompressed concatenation of the same layers, by cosine.

    A low figure is no fault in itself: whitening changes neighbourhoods on purpose. For a random projection it is the
    loss.

    Attributes:
        rows: sampled rows compared.
        neighbour_recall: mean share of a row's ``neighbours`` nearest rows that stay among its nearest; NaN where there
            are too few rows.
        selection_overlap: share of a round-robin selection that stays, for the given or for random queries; likewise.
        variance_kept: share of the pool's variance in the kept axes; None for methods without axes.
        layer_energy: (layers,) share of squared length in each layer before compression.
    """

    rows: int
    neighbour_recall: float
    selection_overlap: float
    variance_kept: float | None
    layer_energy: tuple[float, ...]


def fidelity(
    spec: CompressSpec,
    basis: Basis,
    layers: np.ndarray,
    queries: np.ndarray | None = None,
    *,
    neighbours: int = 10,
    budget: int | None = None,
    n_queries: int = 8,
    probes: int = 1000,
    seed: int = 0,
) -> Fidelity:
    """Compare compressed and uncompressed vectors on a sample of rows.

    Args:
        spec: the compression.
        basis: fitted on the whole pool.
        layers: (n, layers, dim) a deterministic sample of the pool, a few thousand rows. Memory: 8 n layers dim bytes.
        queries: (t, layers, dim) rows of a target; None draws ``n_queries`` rows of the sample, which then cannot be
            selected themselves.
        neighbours: size of a neighbourhood.
        budget: rows selected; default one in twenty.
        n_queries: queries drawn where none are given.
        probes: rows whose neighbourhoods are compared, evenly spaced.
        seed: of the drawn queries.

    Returns:
        The agreement; NaN where fewer than ``neighbours`` + 2 rows have a direction, which is too few to compare.
    """
    shrunk = compress(spec, basis, layers)
    full, is_zero = _unit(prepare(spec, layers))
    usable = np.flatnonzero(~(shrunk.is_zero | is_zero))
    kept = basis.info.get("variance_kept")
    variance_kept = None if kept is None else float(kept)
    energy = tuple(float(share) for share in layer_energy(layers))
    if len(usable) < neighbours + 2:
        return Fidelity(len(usable), float("nan"), float("nan"), variance_kept, energy)
    full, small = full[usable], shrunk.vectors[usable]
    probe = np.unique(np.linspace(0, len(usable) - 1, min(probes, len(usable))).astype(np.int64))
    if queries is None:
        drawn = np.sort(
            np.random.default_rng(seed).choice(len(usable), min(n_queries, len(usable) // 2), replace=False)
        )
        full_queries, small_queries = full[drawn], small[drawn]
        pool = np.setdiff1d(np.arange(len(usable)), drawn)
    else:
        full_queries, _ = _unit(prepare(spec, queries))
        small_queries = compress(spec, basis, queries).vectors
        pool = np.arange(len(usable))
    wanted = min(budget or max(len(pool) // 20, 1), len(pool))
    chosen_full = round_robin(full_queries @ full[pool].T, wanted)
    chosen_small = round_robin(small_queries @ small[pool].T, wanted)
    return Fidelity(
        rows=len(usable),
        neighbour_recall=_neighbour_recall(full, small, probe, neighbours),
        selection_overlap=len(np.intersect1d(chosen_full, chosen_small)) / wanted,
        variance_kept=variance_kept,
        layer_energy=energy,
    )


def _unit(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    norms = np.sqrt(np.einsum("nk,nk->n", rows, rows))
    return rows / np.where(norms > 0, norms, 1.0)[:, None], norms == 0


def _neighbour_recall(full: np.ndarray, small: np.ndarray, probe: np.ndarray, neighbours: int) -> float:
    shared = 0
    for start in range(0, len(probe), PROBE_BLOCK):
        rows = probe[start : start + PROBE_BLOCK]
        before, after = (_nearest(vectors, rows, neighbours) for vectors in (full, small))
        shared += int((before[:, :, None] == after[:, None, :]).sum())
    return shared / (len(probe) * neighbours)


def _nearest(vectors: np.ndarray, rows: np.ndarray, neighbours: int) -> np.ndarray:
    similarity = vectors[rows] @ vectors.T
    similarity[np.arange(len(rows)), rows] = -np.inf
    return np.argpartition(-similarity, neighbours - 1, axis=1)[:, :neighbours]


def round_robin(similarity: np.ndarray, budget: int) -> np.ndarray:
    """Return the first ``budget`` rows by the key min_t(rank_t T + t): a query whose row is taken loses its turn."""
    queries = len(similarity)
    order = np.argsort(-similarity, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(similarity.shape[1])[None, :], axis=1)
    key = (rank * queries + np.arange(queries)[:, None]).min(axis=0)
    return np.argpartition(key, budget - 1)[:budget]
