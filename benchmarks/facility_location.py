"""Greedy facility location over all pairs: ours beside submodlib, apricot and a plain lazy greedy in numpy.

Everyone starts from the same unit vectors (see ``kmeans.vectors``) and makes max(cosine, 0) for itself; that time is
``build_cpu_s``, and ``cpu s`` is the selection alone, from similarities in memory, with compiled code warm (apricot
compiles anew in each fit: ``small_cpu_s`` is what 200 of 500 rows take, warm). Peak memory is that of both. submodlib
is given the n x n float32 matrix too: its own kernel builder takes half a minute. The objective is recomputed for
everyone in float64 from the rows chosen. Each implementation runs in a process of its own, once per round; figures
are medians over the rounds. One that is not installed is left out, with a line that says so.

``--grow`` takes ours alone from 10,000 rows up, k = n / 10, and prints the fitted exponent.
"""

import argparse
import heapq
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.kmeans import vectors

GROWTH = (10_000, 14_000, 20_000)
"""Above 20,000 rows the dense objective keeps no matrix: ``facility_location_sparse`` grows to 1,000,000."""


class Implementation(NamedTuple):
    """One competitor: the package it needs, how it makes its similarities, how it selects."""

    package: str
    build: Callable[[Any], Any]
    select: Callable[[Any, int], np.ndarray]


# Ours: the objective and the lazy optimiser of ``samplers.greedy``.
def _datasel_build(points: np.ndarray) -> Any:
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.samplers.greedy.objectives.similarity import Dense

    return Dense(ArrayVectors(points))


def _datasel_select(similarity: Any, k: int) -> np.ndarray:
    from datasel_assets.samplers.greedy.objectives.facility_location import FacilityLocation
    from datasel_assets.samplers.greedy.optimisers import Search, lazy_greedy

    return lazy_greedy(Search(FacilityLocation.over(similarity), np.arange(similarity.n)), k)


# The plain lazy greedy: a heap of upper bounds, one row evaluated at a time.
def _numpy_build(points: np.ndarray) -> Any:
    similarity = points @ points.T
    return np.maximum(similarity, 0, out=similarity)


def _numpy_select(similarity: Any, k: int) -> np.ndarray:
    n = len(similarity)
    best = np.zeros(n, np.float32)
    heap = [(-float(gain), row, 0) for row, gain in enumerate(similarity.sum(axis=0, dtype=np.float64))]
    heapq.heapify(heap)
    order: list[int] = []
    while len(order) < k:
        _, row, seen = heap[0]
        if seen == len(order):
            heapq.heappop(heap)
            order.append(row)
            np.maximum(best, similarity[row], out=best)
        else:
            gain = float(np.maximum(similarity[row] - best, 0).sum())
            heapq.heapreplace(heap, (-gain, row, len(order)))
    return np.array(order)


# apricot-select, lazy optimiser, similarities given.
def _apricot_select(similarity: Any, k: int) -> np.ndarray:
    from apricot import FacilityLocationSelection

    return FacilityLocationSelection(k, metric="precomputed", optimizer="lazy").fit(similarity).ranking


# submodlib-py, LazyGreedy, similarities given.
def _submodlib_build(points: np.ndarray) -> Any:
    from submodlib.functions.facilityLocation import FacilityLocationFunction

    return FacilityLocationFunction(n=len(points), mode="dense", sijs=_numpy_build(points), separate_rep=False)


def _submodlib_select(similarity: Any, k: int) -> np.ndarray:
    found = similarity.maximize(
        budget=k,
        optimizer="LazyGreedy",
        stopIfZeroGain=False,
        stopIfNegativeGain=False,
        verbose=False,
        show_progress=False,
    )
    return np.array([row for row, _ in found])


IMPLEMENTATIONS = {
    "datasel": Implementation("numba", _datasel_build, _datasel_select),
    "numpy lazy greedy": Implementation("numpy", _numpy_build, _numpy_select),
    "apricot-select": Implementation("apricot", _numpy_build, _apricot_select),
    "submodlib-py": Implementation("submodlib", _submodlib_build, _submodlib_select),
}


def installed(implementations: dict[str, Implementation]) -> list[str]:
    """Return the names whose package is there, and say which are left out."""
    names = []
    for name, implementation in implementations.items():
        if find_spec(implementation.package) is None:
            print(f"  {name} is left out: package {implementation.package} is not installed (extra 'bench')")
        else:
            names.append(name)
    return names


def single_thread() -> None:
    """Let the processes that are started from here use one thread, unless the environment says otherwise."""
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def timed(build: Callable[[], Any], select: Callable[[Any], np.ndarray]) -> tuple[dict[str, Any], np.ndarray]:
    """Return the cost of ``select`` with the peak memory of both steps and ``build_cpu_s``, and the order."""
    with measured() as both:
        start = time.process_time()
        made = build()
        built = time.process_time() - start
        with measured() as cost:
            order = select(made)
    return {**asdict(cost), "peak_rss_mb": both.peak_rss_mb, "build_cpu_s": built}, np.asarray(order)


def run(implementation: str, path: str, k: int) -> dict[str, Any]:
    """Build and select once in this process."""
    points = np.load(path)
    own = IMPLEMENTATIONS[implementation]
    warm = points[:500]
    own.select(own.build(warm), 200)  # Imports and compilation are not what is measured.
    small, _ = timed(lambda: own.build(warm), lambda made: own.select(made, 200))
    cost, order = timed(lambda: own.build(points), lambda made: own.select(made, k))
    return {**cost, "small_cpu_s": small["cpu_s"], "objective": value(points, order)}


def value(points: np.ndarray, order: np.ndarray) -> float:
    """Return sum_i max over the chosen of max(cosine, 0), in float64."""
    chosen = points[order].astype(np.float64).T
    parts = np.array_split(points, max(1, len(points) // 1000))
    return float(sum(np.maximum((part @ chosen).max(axis=1), 0).sum() for part in parts))


def medians(rounds: list[dict[str, Any]]) -> tuple[Measured, float, dict[str, Any]]:
    """Return the medians over rounds: cost, objective, and the seconds that are told beside them."""
    middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
    cost = Measured(middle["wall_s"], middle["cpu_s"], middle["peak_rss_mb"])
    return cost, round(middle["objective"], 4), {key: round(middle[key], 3) for key in ("build_cpu_s", "small_cpu_s")}


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return b of seconds = a * size**b by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--grow", action="store_true", help="ours alone, at growing sizes")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    single_thread()
    sizes = GROWTH if options.grow else (options.n,)
    rows = []
    names = ["datasel"] if options.grow else installed(IMPLEMENTATIONS)
    for n in sizes:
        points, data = vectors(n, options.dim)
        k = n // 10 if options.grow else options.k
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "points.npy")
            np.save(path, points)
            # Round by round, so that other work on the machine meets everyone alike.
            for _ in range(options.rounds):
                for name in names:
                    found[name].append(
                        isolated("benchmarks.facility_location:run", implementation=name, path=path, k=k)
                    )
        for name, rounds in found.items():
            cost, objective, extra = medians(rounds)
            rows.append(Row(name, len(points), cost, objective, {"k": k, "dim": options.dim, "data": data, **extra}))
    report("facility_location", rows, record=not options.no_record)
    if options.grow:
        print(f"  seconds grow as n^{exponent(sizes, [row.measured.cpu_s for row in rows]):.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
