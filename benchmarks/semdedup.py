"""SemDeDup inside given clusters: ours beside the bare matrix products, and beside semhash where that is installed.

The pool is float16 unit rows around as many topics as ``auto_k`` gives clusters, a share of them near copies. ``floor``
is nothing but the products inside the clusters: for each block of 256 rows of a cluster with the rows up to the block's
end, on rows that are widened and sorted by cluster already. ``datasel`` reads float16, orders, compares and names the
representative of each dropped row; the objective says whether every run gave the same
(1). semhash compares all rows with an index of its own and not inside clusters; its objective is the number dropped.
"""

import argparse
import hashlib
import statistics
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report

THRESHOLD = 0.9
BLOCK = 256


def make(n: int, dim: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows (n, dim) float16, their topic (n,) and the distance to its middle (n,) float32."""
    generator = np.random.default_rng(0)
    middles = generator.standard_normal((k, dim), dtype=np.float32)
    labels = generator.integers(0, k, n).astype(np.int32)
    rows = 0.7 * middles[labels] + generator.standard_normal((n, dim), dtype=np.float32)
    copies = np.flatnonzero(generator.random(n) < 0.2)
    source = generator.integers(0, n, len(copies))
    rows[copies] = rows[source] + 0.2 * generator.standard_normal((len(copies), dim), dtype=np.float32)
    labels[copies] = labels[source]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    return rows.astype(np.float16), labels, 1 - np.vecdot(rows, middles[labels])


def run(implementation: str, n: int, dim: int, k: int) -> dict[str, Any]:
    """Run one implementation in this process."""
    rows, labels, distances = make(n, dim, k)
    ids = np.char.mod("%032x", np.arange(n))
    wide = rows.astype(np.float32)
    (wide[:512] @ wide[:512].T).sum()  # threads start here
    if implementation == "floor":
        wide = wide[np.argsort(labels, kind="stable")]
        ends = np.cumsum(np.bincount(labels, minlength=k))
        out = np.empty(BLOCK * int(np.bincount(labels).max()), np.float32)
        with measured() as cost:
            for start, end in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True):
                for first in range(start, end, BLOCK):
                    stop = min(first + BLOCK, end)
                    np.matmul(
                        wide[first:stop],
                        wide[start:stop].T,
                        out=out[: (stop - first) * (stop - start)].reshape(stop - first, stop - start),
                    )
        dropped, digest = 0, ""
    elif implementation == "datasel":
        from datasel_assets.corpus.semantic_duplicates import semdedup

        del wide
        with measured() as cost:
            found = semdedup(rows, labels, distances, THRESHOLD, ids)
        dropped, digest = int((~found.kept).sum()), hashlib.sha256(found.representative.tobytes()).hexdigest()
    else:
        from semhash import SemHash  # pyright: ignore[reportMissingImports]

        with measured() as cost:
            index = SemHash.from_embeddings(embeddings=wide, records=ids.tolist(), model=None)
            dropped = n - len(index.self_deduplicate(threshold=THRESHOLD).selected)
        digest = ""
    return {
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "peak_rss_mb": cost.peak_rss_mb,
        "dropped": dropped,
        "digest": digest,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=0, help="clusters; as many as auto_k gives when left out")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    from datasel_assets.clusters import auto_k

    shape = {"n": options.n, "dim": options.dim, "k": options.k or auto_k(options.n)}
    names = ["floor", "datasel"]
    if find_spec("semhash") is None:
        print("semhash is not installed: it is left out")
    else:
        names.append("semhash")
    rows: list[Row] = []
    floor = 0.0
    for name in names:
        runs = [isolated("benchmarks.semdedup:run", implementation=name, **shape) for _ in range(options.repeats)]
        middle = statistics.median_low([x["cpu_s"] for x in runs])
        got = next(x for x in runs if x["cpu_s"] == middle)
        floor = floor or middle
        extra = {"dim": options.dim, "k": shape["k"], "dropped": got["dropped"], "over_floor": round(middle / floor, 3)}
        same = float(len({x["digest"] for x in runs}) == 1) if name == "datasel" else None
        objective = float(got["dropped"]) if name == "semhash" else same
        rows.append(Row(name, options.n, Measured(got["wall_s"], got["cpu_s"], got["peak_rss_mb"]), objective, extra))
    report("semdedup", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    main()
