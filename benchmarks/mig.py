"""MIG: the lazy greedy over labels beside the reference's dense algorithm, and how ours grows from 10k to 1M rows.

The pool has Zipf tags (4,531 labels, 4.3 a row) and a label graph of the given mean degree. ``dense`` is what the
reference computes, in float32: the propagated labels of all rows as one matrix, and every round a gather of the rows
that are left and their product with the slopes. It runs on ``--dense`` rows only, with ours beside it; its objective,
like ours, is the information of the selection. ``growth`` picks one row in twenty at every size.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report

LABELS = 4531
SHARE = 20


def make(n: int, degree: float, labels: int = LABELS, seed: int = 0) -> Any:
    """Return candidates: Zipf tags without repetitions, gamma quality, a symmetric graph of that mean degree."""
    from scipy.sparse import csr_array

    from datasel_assets.samplers import Candidates
    from datasel_assets.samplers.candidates import Tags

    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, labels + 1)
    counts = 1 + rng.poisson(3.6, n)
    drawn = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(counts.sum())).clip(0, labels - 1)
    keys = np.unique(np.repeat(np.arange(n), counts) * labels + drawn)
    indptr = np.concatenate([[0], np.bincount(keys // labels, minlength=n).cumsum()])
    pairs = rng.integers(0, labels, (2, round(labels * degree / 2)))
    pairs = pairs[:, pairs[0] != pairs[1]]
    half = csr_array((rng.uniform(0.9, 1, pairs.shape[1]), (pairs[0], pairs[1])), shape=(labels, labels))
    return Candidates(
        np.char.mod("%032x", np.arange(n)),
        scores=rng.gamma(4, 3, n),
        tags=Tags(indptr, (keys % labels).astype(np.int32), labels),
        label_graph=csr_array(half.maximum(half.T)),
    )


def run(implementation: str, n: int, k: int, degree: float, gain: str = "linear") -> dict[str, Any]:
    """Run one implementation in this process."""
    from datasel_assets.models.device import return_free_memory
    from datasel_assets.samplers import mig

    params = mig.Params.model_validate({"by": "quality", "gain": gain})
    mig.sample(make(100, 1.0), 10, params, 0)  # Compiling is not what is measured.
    pool = make(n, degree)
    return_free_memory()
    with measured() as cost:
        order = mig.sample(pool, k, params, 0).order if implementation == "datasel" else _dense(pool, k, params)
    return {
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "peak_rss_mb": cost.peak_rss_mb,
        "objective": mig.information(pool, order, params),
        "order": order.tolist() if k <= 5000 else [],
    }


def _dense(pool: Any, k: int, params: Any) -> np.ndarray:
    """The reference: V (n, labels) and U = V P in float32, both alive; every round gathers and multiplies."""
    graph = pool.label_graph.toarray().astype(np.float32)
    np.fill_diagonal(graph, 1)
    labels = np.zeros((pool.n, pool.tags.size), np.float32)
    rows = np.repeat(np.arange(pool.n), pool.tags.counts)
    labels[rows, pool.tags.indices] = pool.scores[rows]
    sent = labels @ (graph / graph.sum(axis=0))
    left = np.arange(pool.n)
    x = np.zeros(pool.tags.size, np.float32)
    order = np.empty(k, np.int64)
    for t in range(k):
        best = int(np.argmax(sent[left] @ (params.b * (x + np.float32(params.a)) ** (params.b - 1))))
        order[t] = left[best]
        x += sent[left[best]]
        left = np.delete(left, best)
    return order


def _row(name: str, n: int, found: dict[str, Any], **extra: Any) -> Row:
    cost = Measured(found["wall_s"], found["cpu_s"], found["peak_rss_mb"])
    return Row(name, n, cost, found["objective"], extra)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the large pool, the growth and the dense algorithm; print and append the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5, help="runs of the large pool; the median counts")
    parser.add_argument("--dense", type=int, default=4000, help="rows for the dense algorithm")
    parser.add_argument("--no-record", action="store_true", help="print only")
    args = parser.parse_args(argv)
    call = "benchmarks.mig:run"
    rows = []
    for degree, gain in ((2.0, "linear"), (20.0, "linear"), (2.0, "exact")):
        k = args.n // SHARE
        runs = [
            isolated(call, implementation="datasel", n=args.n, k=k, degree=degree, gain=gain)
            for _ in range(args.repeat)
        ]
        found = sorted(runs, key=lambda one: one["wall_s"])[len(runs) // 2]
        peak = max(one["peak_rss_mb"] for one in runs)
        rows.append(_row("datasel", args.n, found | {"peak_rss_mb": peak}, k=k, degree=degree, gain=gain))
    sizes = [n for n in (10_000, 31_623, 100_000, 316_228, 1_000_000) if n <= args.n]
    seconds = []
    for n in sizes:
        found = isolated(call, implementation="datasel", n=n, k=n // SHARE, degree=2.0)
        seconds.append(found["wall_s"])
        rows.append(_row("datasel", n, found, k=n // SHARE, degree=2.0, part="growth"))
    if len(sizes) > 1:
        rows[-1].extra["exponent"] = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    k = args.dense // 10
    ours, theirs = (isolated(call, implementation=name, n=args.dense, k=k, degree=2.0) for name in ("datasel", "dense"))
    same = float(np.mean(np.array(ours["order"]) == np.array(theirs["order"])))
    rows.append(_row("datasel", args.dense, ours, k=k, degree=2.0, equal_picks=same))
    rows.append(_row("dense (the reference's algorithm)", args.dense, theirs, k=k, degree=2.0, equal_picks=same))
    report("mig", rows, record=not args.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
