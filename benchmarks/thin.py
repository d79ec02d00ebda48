"""DEITA's filter: the best rows that are not like a row kept before; ours beside sequential filters.

The pool holds near copies (cosine 0.94) of fewer rows, which are a mixture of topics, in the order of a score. Every
implementation keeps rows until ``k`` are kept or the pool ends:

- ``reference``: the loop of the authors' code (``deita.selection.filter``, batch size 1): for each row gather all kept
  rows anew and take the cosines;
- ``sequential``: the same loop as well as plain numpy can: kept rows in one growing array, one GEMV per row;
- ``datasel``: the sampler.

The sequential ones run on the first ``--small`` rows only, with ours beside them; the objective is the share of equal
picks. ``speedup`` is the reference's CPU seconds over ours on the same rows.
"""

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report

THRESHOLD = 0.9


def make(n: int, dim: int, topics: int, distinct: int) -> np.ndarray:
    """Return (n, dim) float32 unit rows: near copies of ``distinct`` rows around topics."""
    generator = np.random.default_rng(0)
    middles = generator.standard_normal((topics, dim), dtype=np.float32)
    originals = 0.7 * middles[generator.integers(0, topics, distinct)]
    originals += generator.standard_normal((distinct, dim), dtype=np.float32)
    rows = 0.3 * generator.standard_normal((n, dim), dtype=np.float32)
    rows += originals[generator.integers(0, distinct, n)]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def run(implementation: str, n: int, dim: int, k: int, topics: int, distinct: int, whole: int) -> dict[str, Any]:
    """Run one implementation on the first ``n`` rows of the pool of ``whole`` rows in this process."""
    x = make(whole, dim, topics, distinct)[:n].copy()
    _ = _IMPLEMENTED[implementation](x[:2000], 500)  # compiles, and starts the threads of BLAS
    with measured() as cost:
        picks = _IMPLEMENTED[implementation](x, k)
    return {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_rss_mb": cost.peak_rss_mb, "picks": picks}


def _reference(x: np.ndarray, k: int) -> list[int]:
    kept = [0]
    for i in range(1, len(x)):
        if len(kept) == k:
            break
        existing = x[kept]
        if not (existing @ x[i] > THRESHOLD).any():
            kept.append(i)
    return kept


def _sequential(x: np.ndarray, k: int) -> list[int]:
    rows = np.empty((k, x.shape[1]), np.float32)
    kept: list[int] = []
    for i in range(len(x)):
        if len(kept) == k:
            break
        if len(kept) == 0 or (rows[: len(kept)] @ x[i]).max() <= THRESHOLD:
            rows[len(kept)] = x[i]
            kept.append(i)
    return kept


def _datasel(x: np.ndarray, k: int) -> list[int]:
    from datasel_assets.samplers import ArrayVectors, Candidates
    from datasel_assets.samplers.thin import Params, sample

    ids = np.char.mod("%032x", np.arange(len(x)))
    pool = Candidates(ids, scores=np.arange(len(x), 0, -1.0), vectors=ArrayVectors(x))
    return sample(pool, k, Params(by="x", threshold=THRESHOLD), 0).order.tolist()


_IMPLEMENTED = {
    "reference": _reference,
    "sequential": _sequential,
    "datasel": _datasel,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=10_000)
    parser.add_argument("--topics", type=int, default=500)
    parser.add_argument("--distinct", type=int, default=10_500, help="rows that the pool holds near copies of")
    parser.add_argument("--small", type=int, default=100_000, help="rows for the sequential filters")
    parser.add_argument("--repeats", type=int, default=5, help="runs of ours; the median counts")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    small = min(options.small, options.n)
    shape = {name: getattr(options, name) for name in ("dim", "k", "topics", "distinct")}
    jobs = [(name, small) for name in ("reference", "sequential", "datasel")]
    if small < options.n:
        jobs.append(("datasel", options.n))
    rows: list[Row] = []
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for name, n in jobs:
        repeats = 1 if name in ("reference", "sequential") else options.repeats
        runs = [
            isolated("benchmarks.thin:run", implementation=name, n=n, whole=options.n, **shape) for _ in range(repeats)
        ]
        middle = statistics.median_low([x["cpu_s"] for x in runs])
        found[name, n] = got = next(x for x in runs if x["cpu_s"] == middle)
        extra = {"dim": options.dim, "kept": len(got["picks"]), "looked_at": max(got["picks"]) + 1, "repeats": repeats}
        objective = None
        if n == small:
            truth = found["reference", small]
            extra["speedup"] = round(truth["cpu_s"] / got["cpu_s"], 1)
            same = min(len(truth["picks"]), len(got["picks"]))
            objective = float(np.mean(np.array(truth["picks"][:same]) == np.array(got["picks"][:same])))
        rows.append(Row(name, n, Measured(got["wall_s"], got["cpu_s"], got["peak_rss_mb"]), objective, extra))
    report("thin", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    main()
