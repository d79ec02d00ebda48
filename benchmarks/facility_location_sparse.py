"""Greedy facility location over nearest neighbours: ours beside apricot and a plain lazy greedy in numpy.

Everyone is given the same symmetric k-NN graph as CSR float32 with 1 on the diagonal, from the vectors of
``kmeans.vectors``; making the graph is a row of its own. ``build_cpu_s`` is what an implementation does with the CSR
before it selects, ``cpu s`` the selection, compiled code warm, and ``small_cpu_s`` one on 600 rows (apricot compiles
anew in each fit). The objective is recomputed for everyone in float64. Each implementation runs in a process of its
own, once per round; figures are medians over the rounds. submodlib's sparse mode is left out: at 50,000 rows it was
stopped after 280 s. ``--grow`` takes ours alone from 10,000 to 1,000,000 rows, k = n / 50, and prints the fitted
exponent.
"""

import argparse
import heapq
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.facility_location import Implementation, exponent, installed, medians, single_thread, timed
from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.kmeans import vectors

GROWTH = (10_000, 30_000, 100_000, 300_000, 1_000_000)

Csr = tuple[np.ndarray, np.ndarray, np.ndarray]


# Ours.
def _datasel_build(graph: Csr) -> Any:
    from datasel_assets.samplers.greedy.objectives.similarity import ONE, Sparse

    return Sparse(graph[0], graph[1], np.rint(graph[2].astype(np.float64) * ONE).astype(np.int32))


def _datasel_select(similarity: Any, k: int) -> np.ndarray:
    from datasel_assets.samplers.greedy.objectives.facility_location import FacilityLocation
    from datasel_assets.samplers.greedy.optimisers import Search, lazy_greedy

    return lazy_greedy(Search(FacilityLocation.over(similarity), np.arange(similarity.n)), k)


# The plain lazy greedy on CSR arrays.
def _numpy_build(graph: Csr) -> Any:
    return graph


def _numpy_select(graph: Any, k: int) -> np.ndarray:
    indptr, indices, values = graph
    best = np.zeros(len(indptr) - 1, np.float32)
    first = np.add.reduceat(values, indptr[:-1], dtype=np.float64)
    heap = [(-float(gain), row, 0) for row, gain in enumerate(first)]
    heapq.heapify(heap)
    starts = indptr.tolist()
    order: list[int] = []
    while len(order) < k:
        _, row, seen = heap[0]
        near, similar = indices[starts[row] : starts[row + 1]], values[starts[row] : starts[row + 1]]
        if seen == len(order):
            heapq.heappop(heap)
            order.append(row)
            best[near] = np.maximum(best[near], similar)
        else:
            heapq.heapreplace(heap, (-float(np.maximum(similar - best[near], 0).sum()), row, len(order)))
    return np.array(order)


# apricot-select, lazy optimiser on a scipy CSR matrix.
def _apricot_build(graph: Csr) -> Any:
    from scipy.sparse import csr_matrix

    n = len(graph[0]) - 1
    return csr_matrix((graph[2].astype(np.float64), graph[1], graph[0]), shape=(n, n))


def _apricot_select(similarity: Any, k: int) -> np.ndarray:
    from apricot import FacilityLocationSelection

    return FacilityLocationSelection(k, metric="precomputed", optimizer="lazy").fit(similarity).ranking


IMPLEMENTATIONS = {
    "datasel": Implementation("numba", _datasel_build, _datasel_select),
    "numpy CSR lazy greedy": Implementation("numpy", _numpy_build, _numpy_select),
    "apricot-select": Implementation("apricot", _apricot_build, _apricot_select),
}


def neighbours(path: str, folder: str, k: int) -> dict[str, Any]:
    """Make the symmetric k-NN graph of the vectors in ``path`` and store it in ``folder``."""
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.samplers.greedy.objectives.similarity import ONE, SimilarityParams, similarities

    points = np.load(path, mmap_mode="r")
    with measured() as cost:
        graph = similarities(ArrayVectors(points), SimilarityParams(neighbours=k))
    np.save(Path(folder) / "indptr.npy", graph.indptr)
    np.save(Path(folder) / "indices.npy", graph.indices)
    np.save(Path(folder) / "values.npy", (graph.values / ONE).astype(np.float32))
    return {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_rss_mb": cost.peak_rss_mb, "pairs": len(graph.indices)}


def load(folder: str) -> Csr:
    """Return the stored graph."""
    return tuple(np.load(Path(folder) / f"{part}.npy") for part in ("indptr", "indices", "values"))


def run(implementation: str, folder: str, k: int) -> dict[str, Any]:
    """Build and select once in this process."""
    own = IMPLEMENTATIONS[implementation]
    ring = np.arange(600)
    near = np.sort((ring[:, None] + np.arange(-2, 3)) % 600, axis=1)
    warm = (5 * np.arange(601), near.ravel().astype(np.int32), np.where(near == ring[:, None], 1, 0.5).ravel())
    warm = (warm[0], warm[1], warm[2].astype(np.float32))
    own.select(own.build(warm), 300)  # Imports and compilation are not what is measured.
    small, _ = timed(lambda: own.build(warm), lambda made: own.select(made, 300))
    graph = load(folder)
    cost, order = timed(lambda: own.build(graph), lambda made: own.select(made, k))
    return {**cost, "small_cpu_s": small["cpu_s"], "objective": value(graph, order)}


def value(graph: Csr, order: np.ndarray) -> float:
    """Return the sum over all rows of the largest stored similarity to a chosen one, in float64."""
    indptr, indices, values = graph
    best = np.zeros(len(indptr) - 1)
    for row in order.tolist():
        part = slice(indptr[row], indptr[row + 1])
        best[indices[part]] = np.maximum(best[indices[part]], values[part])
    return float(best.sum())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--neighbours", type=int, default=64)
    parser.add_argument("--k", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=tuple(IMPLEMENTATIONS), help="leave the others out")
    parser.add_argument("--grow", action="store_true", help="ours alone, at growing sizes")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    single_thread()
    sizes = GROWTH if options.grow else (options.n,)
    names = ["datasel"] if options.grow else installed(IMPLEMENTATIONS)
    names = [name for name in names if options.only in (None, name)]
    rows = []
    for n in sizes:
        points, data = mixture(n, options.dim) if n > 52_000 or options.grow else vectors(n, options.dim)
        k = n // 50 if options.grow else options.k
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "points.npy")
            np.save(path, points)
            n = len(points)
            del points
            built = isolated(
                "benchmarks.facility_location_sparse:neighbours", path=path, folder=folder, k=options.neighbours
            )
            for _ in range(options.rounds):
                for name in names:
                    found[name].append(
                        isolated("benchmarks.facility_location_sparse:run", implementation=name, folder=folder, k=k)
                    )
        pairs = built.pop("pairs")
        extra = {"k": k, "neighbours": options.neighbours, "pairs": pairs, "dim": options.dim, "data": data}
        rows.append(Row("datasel k-NN graph", n, Measured(**built), None, extra))
        for name, rounds in found.items():
            cost, objective, more = medians(rounds)
            rows.append(Row(name, n, cost, objective, {**extra, **more}))
    report("facility_location_sparse", rows, record=not options.no_record)
    if options.grow:
        seconds = [row.measured.cpu_s for row in rows if row.implementation == "datasel"]
        print(f"  seconds grow as n^{exponent(sizes, seconds):.2f}")
    return 0


def mixture(n: int, dim: int) -> tuple[np.ndarray, str]:
    """Return n unit vectors around n / 250 directions, and what they are."""
    generator = np.random.default_rng(0)
    middles = generator.standard_normal((max(2, n // 250), dim), dtype=np.float32)
    points = np.empty((n, dim), np.float32)
    for start in range(0, n, 50_000):
        stop = min(start + 50_000, n)
        block = middles[generator.integers(0, len(middles), stop - start)]
        block += generator.standard_normal(block.shape, dtype=np.float32)
        points[start:stop] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return points, "mixture of n / 250"


if __name__ == "__main__":
    raise SystemExit(main())
