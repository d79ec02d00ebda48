"""Facility location over the 32 nearest neighbours of a million sentences: the graph, then the selection.

The rows are different sentences or lines of 20 to 160 characters from all text columns of the development datasets,
each embedded on its own by all-MiniLM-L6-v2 (mean of the last layer, 384 dimensions); nothing is generated or
repeated. The graph is the project's: an inverted file above 200,000 rows, made symmetric by union. Its objective is the
recall: the share of the exact neighbours of ``--sample`` rows that it has. Vectors and graph are kept under
``--cache``, so that an interrupted run goes on where it stopped; their rows tell the cost of the day they were made
(``made``), on ``--threads`` threads.

Selections run on one thread, each in a process of its own, from the graph as CSR float32 in memory. ``cpu s`` is the
selection, ``build_cpu_s`` what an implementation does with the CSR before it, ``resident_mb`` the largest resident
memory of the process, with the graph and all else. The objective is the sum over all rows of the largest stored
similarity to a chosen row, at most n; ``random rows`` is what as many of them reach. One that takes longer than
``--limit`` seconds is stopped: its seconds are then those, a lower bound, and ``stopped_after_s`` says so.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.facility_location import installed, medians
from benchmarks.facility_location_sparse import IMPLEMENTATIONS, load, run, value
from benchmarks.harness import Measured, Row, high_water_mb, isolated, measured, report
from benchmarks.projects import shared_data

CHUNK = 25_000
CACHE = Path(tempfile.gettempdir()) / "datasel_bench" / "sentences"
LENGTHS = (20, 160)
THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
_SPLIT = re.compile(r"(?<=[.!?])\s+|\n+")


def sentences(n: int) -> list[str]:
    """Return ``n`` different sentences of the development datasets, in one random order: fewer are the first of more.

    Raises:
        SystemExit: there are fewer.
    """
    import polars as pl

    found: set[str] = set()
    for file in sorted(shared_data().glob("*.parquet")):
        frame = pl.read_parquet(file)
        for column in frame.select(pl.col(pl.String)):
            for text in column.drop_nulls().unique():
                found.update(part.strip() for part in _SPLIT.split(text))
    kept = sorted(part for part in found if LENGTHS[0] <= len(part) <= LENGTHS[1])
    if n > len(kept):
        raise SystemExit(f"the development datasets have {len(kept)} such sentences: choose a smaller --n")
    return [kept[i] for i in np.random.default_rng(0).permutation(len(kept))[:n].tolist()]


def embed(n: int, cache: str) -> dict[str, Any]:
    """Embed what ``cache`` lacks, in whole chunks; return the files, in order, and what all of them cost."""
    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import DEFAULT_MODEL, EncoderSpec

    n = -(-n // CHUNK) * CHUNK
    texts, files = sentences(n), []
    with Encoder(
        EncoderSpec(model=DEFAULT_MODEL, pooling="mean", layers="last", max_tokens=64), device="cpu"
    ) as encoder:
        for start in range(0, n, CHUNK):
            part = texts[start : start + CHUNK]
            file = Path(cache) / f"{_digest(part)}.npy"
            files.append(str(file))
            if file.is_file():
                continue
            with measured() as cost:
                encoded = encoder.encode([[{"role": "user", "content": text}] for text in part])
            vectors = encoded.layers[encoder.layers[-1]]
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            made = {**asdict(cost), "tokens": encoded.stats.tokens, **_made()}
            file.with_suffix(".json").write_text(json.dumps(made), encoding="utf-8")
            np.save(file.with_suffix(".part.npy"), vectors.astype(np.float16))
            file.with_suffix(".part.npy").rename(file)
            print(f"  embedded {start + len(part):,} of {n:,} sentences", file=sys.stderr)
    costs = [json.loads(Path(file).with_suffix(".json").read_text(encoding="utf-8")) for file in files]
    return {
        "files": files,
        "wall_s": sum(cost["wall_s"] for cost in costs),
        "cpu_s": sum(cost["cpu_s"] for cost in costs),
        "peak_rss_mb": max(cost["peak_rss_mb"] for cost in costs),
        "tokens": sum(cost["tokens"] for cost in costs),
        "made": costs[-1]["made"],
        "threads": costs[-1]["threads"],
    }


def neighbours(files: list[str], n: int, k: int, sample: int, cache: str) -> dict[str, Any]:
    """Make the symmetric k-NN graph of the first n vectors in ``files``, and keep it with its cost in a ``folder``."""
    from datasel_assets.arrays.nearest_neighbours import nearest_neighbours
    from datasel_assets.samplers.greedy.objectives.similarity import ONE, Sparse

    files = files[: -(-n // CHUNK)]
    folder = Path(cache) / f"graph_{_digest([*files, str(n), str(k)])}"
    told = folder / "cost.json"
    if told.is_file():
        return json.loads(told.read_text(encoding="utf-8"))
    vectors = np.concatenate([np.load(file) for file in files])[:n].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    Sparse.of_neighbours(np.array([[1], [0]]), np.ones((2, 1)))  # Compiling is not what is measured.
    with measured() as cost:
        found = nearest_neighbours(vectors, k)
        distance = found.distance.astype(np.float64)
        graph = Sparse.of_neighbours(found.index, 1 - distance * distance / 2)
    rows = np.random.default_rng(0).choice(n, min(sample, n), replace=False)
    folder.mkdir(exist_ok=True)
    np.save(folder / "indptr.npy", graph.indptr)
    np.save(folder / "indices.npy", graph.indices)
    np.save(folder / "values.npy", (graph.values / ONE).astype(np.float32))
    made = {
        "folder": str(folder),
        **asdict(cost),
        "objective": recall(vectors, rows, found.index[rows]),
        "sample": len(rows),
        "pairs": len(graph.indices),
        "mean_similarity": float(np.nanmean(1 - distance * distance / 2)),
        **_made(),
    }
    told.write_text(json.dumps(made), encoding="utf-8")
    return made


def recall(vectors: np.ndarray, rows: np.ndarray, found: np.ndarray) -> float:
    """Return the share of the k nearest other rows of ``rows`` that are among ``found`` (m, k), all pairs compared."""
    k = found.shape[1]
    hits = 0
    for start in range(0, len(rows), 100):
        part = rows[start : start + 100]
        similarity = vectors[part] @ vectors.T
        similarity[np.arange(len(part)), part] = -np.inf
        nearest = np.argpartition(-similarity, k, axis=1)[:, :k]
        hits += sum(len(np.intersect1d(*pair)) for pair in zip(nearest, found[start : start + 100], strict=True))
    return hits / (len(rows) * k)


def select(implementation: str, folder: str, k: int) -> dict[str, Any]:
    """Select once in this process."""
    found = run(implementation, folder, k)
    return {**found, "resident_mb": high_water_mb()}


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _made() -> dict[str, Any]:
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return {"made": day, "threads": int(os.environ[THREADS[0]]), "load": round(os.getloadavg()[0], 2)}


def _threads(n: int) -> None:
    for name in THREADS:
        os.environ[name] = str(n)


def _row(name: str, n: int, found: dict[str, Any], **extra: Any) -> Row:
    cost = Measured(*(found.pop(key) for key in ("wall_s", "cpu_s", "peak_rss_mb")))
    return Row(name, n, cost, found.pop("objective", None), {**extra, **found})


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--neighbours", type=int, default=32)
    parser.add_argument("--k", type=int, default=0, help="rows to select; 2 %% of n when left out")
    parser.add_argument("--sample", type=int, default=1_000, help="rows whose exact neighbours are looked for")
    parser.add_argument("--rounds", type=int, default=3, help="runs of ours; the others run once")
    parser.add_argument("--limit", type=float, default=300, help="seconds that another implementation may take")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for vectors and graph")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--until", choices=("vectors", "graph"), help="stop there")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    options.cache.mkdir(parents=True, exist_ok=True)
    here, n, k = "benchmarks.facility_location_million", options.n, options.k or options.n // 50
    data = {"dim": 384, "data": "MiniLM vectors of single sentences", "neighbours": options.neighbours}

    _threads(options.threads)
    vectors = isolated(f"{here}:embed", n=n, cache=str(options.cache))
    files = vectors.pop("files")
    rows = [_row("datasel embeddings", n, vectors)]
    if options.until == "vectors":
        return 0
    made = isolated(
        f"{here}:neighbours",
        files=files,
        n=n,
        k=options.neighbours,
        sample=options.sample,
        cache=str(options.cache),
    )
    folder = made.pop("folder")
    rows.append(_row("datasel k-NN graph", n, made, **data))
    if options.until == "graph":
        report("facility_location_million", rows, record=False)
        return 0

    _threads(1)
    job = {"folder": folder, "k": k}
    for name in installed(IMPLEMENTATIONS):
        extra = {**data, "k": k}
        try:
            if name == "datasel":
                found = [isolated(f"{here}:select", implementation=name, **job) for _ in range(options.rounds)]
            else:
                found = [isolated(f"{here}:select", limit_s=options.limit, implementation=name, **job)]
        except subprocess.TimeoutExpired:
            rows.append(
                Row(name, n, Measured(options.limit, options.limit), None, {**extra, "stopped_after_s": options.limit})
            )
            continue
        cost, objective, more = medians(found)
        resident = max(each["resident_mb"] for each in found)
        rows.append(Row(name, n, cost, objective, {**extra, **more, "resident_mb": round(resident)}))
    chosen = np.random.default_rng(0).choice(n, k, replace=False)
    rows.append(Row("random rows", n, Measured(), value(load(folder), chosen), {**data, "k": k}))
    report("facility_location_million", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
