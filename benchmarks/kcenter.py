"""k-center: ours beside nothing but the matrix-vector products of the textbook loop.

The textbook loop reads the whole pool once for every row it picks: distances to the new row, running minimum, argmax.
``floor`` is its products alone (k blocked GEMVs over float32 rows, no minimum, no argmax); ``floor + input`` widens the
float16 rows again for each, as a loop must whose pool is stored as float16; ``numpy`` is the loop as such on float32,
on the first ``--small`` rows, with ours beside it. The objective of ``numpy`` and of ours beside it is the radius: the
distance of the row that is farthest from all picks. Floors run ``--floor-picks`` products and are scaled to k, as each
costs the same. ``over_floor`` compares CPU seconds.
"""

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report

BLOCK = 4096


def make(n: int, dim: int, topics: int = 500) -> np.ndarray:
    """Return (n, dim) float16 unit rows around topics."""
    generator = np.random.default_rng(0)
    middles = generator.standard_normal((topics, dim), dtype=np.float32)
    pool = np.empty((n, dim), np.float16)
    for start in range(0, n, 1 << 16):
        m = min(1 << 16, n - start)
        rows = 0.7 * middles[generator.integers(0, topics, m)] + generator.standard_normal((m, dim), dtype=np.float32)
        pool[start : start + m] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return pool


def run(implementation: str, n: int, dim: int, k: int, picks: int) -> dict[str, Any]:
    """Run one implementation in this process; a floor makes ``picks`` of the ``k`` passes."""
    pool = make(n, dim)
    ids = np.char.mod("%032x", np.arange(n))
    wide = np.empty((0, dim), np.float32) if implementation in ("datasel", "floor + input") else pool.astype(np.float32)
    (np.ones((512, dim)) @ np.ones((dim, 512))).sum()  # threads start here
    scale, radius = 1.0, None
    with measured() as cost:
        if implementation == "datasel":
            radius = _datasel(pool, ids, k)
        elif implementation == "numpy":
            radius = _numpy(wide, k)
        else:
            scale = k / picks
            _floor(wide if implementation == "floor" else pool, picks)
    return {
        "wall_s": cost.wall_s * scale,
        "cpu_s": cost.cpu_s * scale,
        "peak_rss_mb": cost.peak_rss_mb,
        "radius": radius,
    }


def _floor(rows: np.ndarray, picks: int) -> None:
    from datasel_assets.arrays.vectors import ArrayVectors

    out = np.empty(len(rows), np.float32)
    for pick in range(picks):
        centre = rows[pick * 37 % len(rows)].astype(np.float32)
        for positions, block in ArrayVectors(rows).blocks(BLOCK):
            np.matmul(block, centre, out=out[positions[0] : positions[-1] + 1])


def _numpy(rows: np.ndarray, k: int) -> float:
    norms = np.vecdot(rows, rows)
    pick = int((norms - 2 * (rows @ rows.mean(axis=0))).argmin())
    nearest = np.full(len(rows), np.inf, np.float32)
    for _ in range(k):
        np.minimum(nearest, norms + norms[pick] - 2 * (rows @ rows[pick]), out=nearest)
        pick = int(nearest.argmax())
    return float(np.sqrt(nearest.max()))


def _datasel(rows: np.ndarray, ids: np.ndarray, k: int) -> float:
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.samplers import Candidates
    from datasel_assets.samplers.kcenter import Params, sample

    found = sample(Candidates(ids, vectors=ArrayVectors(rows)), k, Params(), 0)
    assert found.row_scores is not None
    return float(np.delete(found.row_scores, found.order).max())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=1000)
    parser.add_argument("--small", type=int, default=50_000, help="rows for the loop in numpy")
    parser.add_argument("--floor-picks", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    small = min(options.small, options.n)
    picks = min(options.floor_picks, options.k)
    jobs = [(name, options.n) for name in ("floor", "floor + input", "datasel")] + [("numpy", small)]
    if small < options.n:
        jobs.append(("datasel", small))
    rows: list[Row] = []
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for name, n in jobs:
        runs = [
            isolated("benchmarks.kcenter:run", implementation=name, n=n, dim=options.dim, k=options.k, picks=picks)
            for _ in range(options.repeats)
        ]
        middle = statistics.median_low([x["cpu_s"] for x in runs])
        found[name, n] = got = next(x for x in runs if x["cpu_s"] == middle)
        extra = {"dim": options.dim, "k": options.k}
        if n == options.n and name != "numpy":
            extra["over_floor"] = round(middle / found["floor", n]["cpu_s"], 3)
        rows.append(Row(name, n, Measured(got["wall_s"], got["cpu_s"], got["peak_rss_mb"]), got["radius"], extra))
    report("kcenter", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    main()
