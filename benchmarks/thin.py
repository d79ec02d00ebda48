"""DEITA's filter: the best rows that are not like a row kept before; ours beside sequential filters.

The pool holds near copies (cosine 0.94) of fewer rows, which are a mixture of topics, in the order of a score. Every
implementation keeps rows until ``k`` are kept or the pool ends:

- ``reference``: the loop of the authors' code (``deita.selection.filter``, batch size 1): for each row gather all kept
  rows anew and take the cosines;
- ``sequential``: the same loop as well as plain numpy can: kept rows in one growing array, one GEMV per row;
- ``datasel``: the sampler.

The sequential ones run on the first ``--small`` rows, all unless told otherwise, with ours beside them, for ``--limit``
seconds at most; ``complete`` says whether they were done by then. The objective is the share of equal picks, of those
that both made. ``speedup`` is the CPU seconds over those of ours on the same rows: a lower bound where not complete.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
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


def run(
    implementation: str, n: int, dim: int, k: int, topics: int, distinct: int, whole: int, limit: float
) -> dict[str, Any]:
    """Run one implementation on the first ``n`` rows of the pool of ``whole`` rows in this process.

    Sequential filters stop after ``limit`` seconds: ``complete`` is then False, ``looked_at`` the rows they got to.
    """
    x = make(whole, dim, topics, distinct)[:n].copy()
    _ = _IMPLEMENTED[implementation](x[:2000], 500, limit)  # compiles, and starts the threads of BLAS
    with measured() as cost:
        picks, looked_at = _IMPLEMENTED[implementation](x, k, limit)
    return {**asdict(cost), "picks": picks, "looked_at": looked_at, "complete": len(picks) == k or looked_at == n}


def _reference(x: np.ndarray, k: int, limit: float) -> tuple[list[int], int]:
    end, kept = time.monotonic() + limit, [0]
    for i in range(1, len(x)):
        if len(kept) == k or time.monotonic() > end:
            return kept, i
        existing = x[kept]
        if not (existing @ x[i] > THRESHOLD).any():
            kept.append(i)
    return kept, len(x)


def _sequential(x: np.ndarray, k: int, limit: float) -> tuple[list[int], int]:
    end = time.monotonic() + limit
    rows = np.empty((k, x.shape[1]), np.float32)
    kept: list[int] = []
    for i in range(len(x)):
        if len(kept) == k or time.monotonic() > end:
            return kept, i
        if len(kept) == 0 or (rows[: len(kept)] @ x[i]).max() <= THRESHOLD:
            rows[len(kept)] = x[i]
            kept.append(i)
    return kept, len(x)


def _datasel(x: np.ndarray, k: int, limit: float) -> tuple[list[int], int]:
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.samplers import Candidates
    from datasel_assets.samplers.thin import Params, sample

    ids = np.char.mod("%032x", np.arange(len(x)))
    pool = Candidates(ids, scores=np.arange(len(x), 0, -1.0), vectors=ArrayVectors(x))
    picks = sample(pool, k, Params(by="x", threshold=THRESHOLD), 0).order.tolist()
    return picks, max(picks) + 1 if len(picks) == k else len(x)


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
    parser.add_argument("--limit", type=float, default=480, help="seconds that a sequential filter may take")
    parser.add_argument("--repeats", type=int, default=5, help="runs of ours; the median counts")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    small = min(options.small, options.n)
    shape = {name: getattr(options, name) for name in ("dim", "k", "topics", "distinct", "limit")}
    jobs = [(name, small) for name in ("reference", "sequential", "datasel")]
    if small < options.n:
        jobs.append(("datasel", options.n))
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for name, n in jobs:
        repeats = options.repeats if name == "datasel" else 1
        runs = [
            isolated("benchmarks.thin:run", implementation=name, n=n, whole=options.n, **shape) for _ in range(repeats)
        ]
        middle = statistics.median_low([x["cpu_s"] for x in runs])
        found[name, n] = {"repeats": repeats} | next(x for x in runs if x["cpu_s"] == middle)
    rows = []
    for (name, n), got in found.items():
        extra = {"dim": options.dim, "k": options.k, "kept": len(got["picks"])}
        extra |= {key: got[key] for key in ("looked_at", "complete", "repeats")}
        objective = None
        if n == small:
            ours = found["datasel", small]
            same = min(len(got["picks"]), len(ours["picks"]))
            extra["speedup"] = round(got["cpu_s"] / ours["cpu_s"], 1)
            objective = float(np.mean(np.array(ours["picks"][:same]) == np.array(got["picks"][:same])))
        rows.append(Row(name, n, Measured(got["wall_s"], got["cpu_s"], got["peak_rss_mb"]), objective, extra))
    report("thin", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    main()
