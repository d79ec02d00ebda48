"""Round-robin selection: ours beside the bare matrix product that it cannot do without, and the textbook way.

The pool is a mixture of directions in a memory-mapped float16 file. ``floor`` is nothing but the blocked product of the
queries with float32 rows that lie in the cache already; ``floor + input`` also reads and widens the file, which no
implementation can leave out. The textbook way (score matrix, a sorted list per query, a loop that lets the queries draw
in turn) runs on the first ``--naive`` rows only, with ours beside it; its objective is the share of equal picks.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, high_water_mb, isolated, measured, report


def make(folder: Path, n: int, t: int, dim: int, topics: int = 57) -> None:
    """Write ``pool.npy`` (n, dim) and ``queries.npy`` (t, dim), float16 unit rows around topics; ``row_ids.npy``."""
    generator = np.random.default_rng(0)
    middles = generator.standard_normal((topics, dim), dtype=np.float32)

    def draw(labels: np.ndarray) -> np.ndarray:
        rows = 0.7 * middles[labels] + generator.standard_normal((len(labels), dim), dtype=np.float32)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)

    pool = np.lib.format.open_memmap(folder / "pool.npy", mode="w+", dtype=np.float16, shape=(n, dim))
    for start in range(0, n, 1 << 16):
        pool[start : start + (1 << 16)] = draw(generator.integers(0, topics, min(1 << 16, n - start)))
    pool.flush()
    np.save(folder / "row_ids.npy", np.char.mod("%032x", np.arange(n)))
    np.save(folder / "queries.npy", draw(np.arange(t) % topics))


def run(implementation: str, folder: str, n: int, k: int) -> dict[str, Any]:
    """Run one implementation on the first ``n`` rows in this process."""
    pool = np.load(Path(folder) / "pool.npy", mmap_mode="r")[:n]
    queries = np.load(Path(folder) / "queries.npy").astype(np.float32)
    (queries @ queries.T).sum()  # Threads start here, not in what is measured.
    with measured() as cost:
        picks = _IMPLEMENTED[implementation](pool, queries, k)
    return {
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "peak_rss_mb": cost.peak_rss_mb,
        "max_rss_mb": high_water_mb(),
        "picks": picks,
    }


def _floor(pool: np.ndarray, queries: np.ndarray, k: int) -> list[int]:
    from datasel_assets.samplers.best_per_query import block_rows

    step = block_rows(pool.shape[1], len(queries))
    block = pool[:step].astype(np.float32)
    scores = np.empty((len(queries), len(block)), np.float32)
    for start in range(0, len(pool), step):
        rows = min(step, len(pool) - start)
        np.matmul(queries, block[:rows].T, out=scores[:, :rows] if rows == len(block) else None)
    return []


def _floor_with_input(pool: np.ndarray, queries: np.ndarray, k: int) -> list[int]:
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.samplers.best_per_query import block_rows

    step = block_rows(pool.shape[1], len(queries))
    scores = np.empty((len(queries), step), np.float32)
    for rows, block in ArrayVectors(pool).blocks(step):
        np.matmul(queries, block.T, out=scores if len(rows) == step else None)
    return []


def _datasel(pool: np.ndarray, queries: np.ndarray, k: int) -> list[int]:
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.samplers import Candidates
    from datasel_assets.samplers.round_robin import Params, sample

    ids = np.load(pool.filename.with_name("row_ids.npy"), mmap_mode="r")[: len(pool)]
    return sample(Candidates(ids, vectors=ArrayVectors(pool), queries=queries), k, Params(), 0).order.tolist()


def _naive(pool: np.ndarray, queries: np.ndarray, k: int) -> list[int]:
    scores = queries @ pool.astype(np.float32).T
    ranked = [sorted(range(len(pool)), key=row.tolist().__getitem__, reverse=True) for row in scores]
    picked: dict[int, None] = {}
    depth = 0
    while len(picked) < min(k, len(pool)):
        for own in ranked:
            picked.setdefault(own[depth])
            if len(picked) == k:
                break
        depth += 1
    return list(picked)


_IMPLEMENTED = {"floor": _floor, "floor + input": _floor_with_input, "datasel": _datasel, "naive": _naive}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--t", type=int, default=285)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=0, help="rows to select; 5 %% of n when left out")
    parser.add_argument("--naive", type=int, default=20_000, help="rows for the textbook way")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, the fastest counts")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    naive_n = min(options.naive, options.n)
    jobs = [(name, options.n) for name in ("floor", "floor + input", "datasel")]
    jobs += [("naive", naive_n), ("datasel", naive_n)]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.n, options.t, options.dim)
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for _ in range(options.repeats):
            for name, n in jobs:
                k = options.k * n // options.n or n // 20
                got = isolated("benchmarks.round_robin:run", implementation=name, folder=folder, n=n, k=k)
                if (name, n) not in found or got["wall_s"] < found[name, n]["wall_s"]:
                    found[name, n] = got
        for name, n in jobs:
            got = found[name, n]
            extra = {"t": options.t, "dim": options.dim, "k": len(got["picks"]), "max_rss_mb": round(got["max_rss_mb"])}
            objective = None
            if n == options.n:
                extra["over_floor"] = round(got["wall_s"] / found["floor", n]["wall_s"], 3)
            else:
                truth = found["naive", n]["picks"]
                objective = float(np.mean(np.array(truth) == np.array(got["picks"])))
            cost = Measured(got["wall_s"], got["cpu_s"], got["peak_rss_mb"])
            rows.append(Row(name, n, cost, objective, extra))
    report("round_robin", rows, record=not options.no_record)


if __name__ == "__main__":
    main()
