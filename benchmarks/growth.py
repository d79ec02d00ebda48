"""How the cost of each operation grows from 10,000 to 1,000,000 rows: seconds at each size, the exponent, a picture.

The rows are the sentences of ``facility_location_million``, their MiniLM vectors and their 32 nearest neighbours; the
first n for each size. Vectors and graphs are made on ``--threads`` threads and kept in its cache, and are no part of
what is measured; neither is reading them. Samplers take a twentieth of the rows, facility location a fiftieth, k-center
and herding 200 of any number, since each of their picks reads all rows. Round-robin has 285 queries. MIG's tags are
those of ``mig``; near duplicates and DSIR read the sentences, and DSIR's target is 1,000 grade-school problems; k-means
makes sqrt(n) clusters as the assets do (fitted on a sample of at most 200,000 rows, all assigned); SemDeDup compares
inside as many clusters, which are there already.

Each operation runs on one thread in a process of its own, compiled code warm, the median of three runs where one takes
less than 2 s. The exponent is the slope of log CPU seconds on log rows over all its sizes, and stands with the largest.
A size is left out, and ``left_out`` says so, when the sizes before let expect more than ``--limit`` seconds.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.facility_location_million import CACHE, THREADS, sentences
from benchmarks.facility_location_sparse import IMPLEMENTATIONS, load
from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import REPOSITORY, shared_data

SIZES = (10_000, 31_623, 100_000, 316_228, 1_000_000)
WARM = 2_000
NEIGHBOURS = 32
SHARE = 20
FEW = 200
QUERIES = 285
FIT_ROWS = 200_000
FACILITY_LOCATION = "facility location, sparse"
PICTURE = REPOSITORY / "docs" / "images" / "growth.png"

Work = Callable[[], Any]


def _vectors(folder: Path, n: int) -> np.ndarray:
    return np.array(np.load(folder / "vectors.npy", mmap_mode="r")[:n])


def _texts(folder: Path, n: int) -> pl.Series:
    return pl.read_parquet(folder / "texts.parquet", n_rows=n)["text"]


def _ids(n: int) -> np.ndarray:
    return np.char.mod("%032x", np.arange(n))


def _sampler(module: str, folder: Path, n: int, k: int, params: dict[str, Any], **parts: Any) -> Work:
    from importlib import import_module

    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.samplers import Candidates

    sampler = import_module(f"datasel_assets.samplers.{module}")
    pool = Candidates(_ids(n), vectors=ArrayVectors(_vectors(folder, n)), **parts)
    return lambda: sampler.sample(pool, k, sampler.Params(**params), 0)


def _facility_location(folder: Path, n: int) -> Work:
    own = IMPLEMENTATIONS["datasel"]
    graph = own.build(load(str(folder / f"graph_{n}")))
    return lambda: own.select(graph, n // 50)


def _round_robin(folder: Path, n: int) -> Work:
    rows = _vectors(folder, n)
    queries = rows[np.random.default_rng(0).choice(n, QUERIES, replace=False)].astype(np.float32)
    return _sampler("round_robin", folder, n, n // SHARE, {}, queries=queries)


def _thin(folder: Path, n: int) -> Work:
    scores = np.random.default_rng(0).random(n)
    return _sampler("thin", folder, n, n // SHARE, {"by": "x", "threshold": 0.9}, scores=scores)


def _mig(folder: Path, n: int) -> Work:
    from benchmarks.mig import make
    from datasel_assets.samplers import mig

    pool, params = make(n, 2.0), mig.Params.model_validate({"by": "quality"})
    return lambda: mig.sample(pool, n // SHARE, params, 0)


def _kmeans(folder: Path, n: int) -> Work:
    rows, ids = _vectors(folder, n).astype(np.float32), _ids(n)
    return lambda: _clusters(rows, ids, FIT_ROWS, 25)


def _clusters(rows: np.ndarray, ids: np.ndarray, fit_rows: int, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    from datasel_assets.arrays.hash_sample import hash_sample
    from datasel_assets.clusters import assign, auto_k, fit_clusters

    return assign(fit_clusters(rows[hash_sample(ids, fit_rows, 0)], auto_k(len(rows)), 0, iterations), rows)


def _semdedup(folder: Path, n: int) -> Work:
    from datasel_assets.corpus.semantic_duplicates import semdedup

    rows, ids = _vectors(folder, n), _ids(n)
    labels, distance = _clusters(rows.astype(np.float32), ids, FIT_ROWS // 10, 5)
    return lambda: semdedup(rows, labels, distance, 0.95, ids)


def _vendi(folder: Path, n: int) -> Work:
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.diagnostics.vendi import vendi

    rows = ArrayVectors(_vectors(folder, n))
    return lambda: vendi(rows)


def _whitening(folder: Path, n: int) -> Work:
    from datasel_assets.representations.moments import moments
    from datasel_assets.representations.whitening import principal_axes

    rows = _vectors(folder, n)
    return lambda: principal_axes(moments(rows), dims=64)


def _dsir(folder: Path, n: int) -> Work:
    from datasel_assets.indicators.text.dsir import Importance, bucket_counts, log_importance

    texts, target = _texts(folder, n), pl.read_parquet(shared_data() / "gsm8k_train.parquet", n_rows=1000)
    aim = bucket_counts(target["question"])
    return lambda: log_importance(texts, Importance(aim, bucket_counts(texts)))


def _near_duplicates(folder: Path, n: int) -> Work:
    from datasel_assets.corpus.minhash import signatures
    from datasel_assets.corpus.near_duplicates import find_near_duplicates
    from datasel_assets.specs.minhash import MinHashSpec

    texts, names, spec = _texts(folder, n), pl.Series(_ids(n)), MinHashSpec()
    return lambda: find_near_duplicates(names, np.arange(n), signatures(texts, spec), texts, spec, 0.7)


OPERATIONS: dict[str, Callable[[Path, int], Work]] = {
    FACILITY_LOCATION: _facility_location,
    "k-center, 200 picks": lambda folder, n: _sampler("kcenter", folder, n, FEW, {}),
    "MIG": _mig,
    "thin (DEITA)": _thin,
    "k-means, sqrt(n) clusters": _kmeans,
    "SemDeDup": _semdedup,
    "Vendi score": _vendi,
    "DSIR": _dsir,
    "round-robin": _round_robin,
    "whitening fit": _whitening,
    "near duplicates": _near_duplicates,
    "herding, 200 picks": lambda folder, n: _sampler("match_mean", folder, n, FEW, {}),
}


def run(operation: str, folder: str, sizes: Sequence[int], limit: float) -> dict[str, Any]:
    """Run one operation at growing sizes in this process; ``left_out`` are those that would take too long."""
    from datasel_assets.diagnostics.growth import fit_growth
    from datasel_assets.models.device import return_free_memory

    OPERATIONS[operation](Path(folder), WARM)()  # Imports, compilation and threads are not what is measured.
    found: list[dict[str, Any]] = []
    for n in sizes:
        law = fit_growth([each["n"] for each in found[-2:]], [each["cpu_s"] for each in found[-2:]])
        if len(found) > 1 and law.seconds(n) > limit:
            break
        work = OPERATIONS[operation](Path(folder), n)
        return_free_memory()
        runs = []
        while len(runs) < (3 if not runs or runs[0]["wall_s"] < 2 else 1):
            with measured() as cost:
                work()
            runs.append(asdict(cost))
        middle = {key: statistics.median(each[key] for each in runs) for key in ("wall_s", "cpu_s")}
        # Later runs find the memory of the first, so theirs is no measure.
        found.append({"n": n, **middle, "peak_rss_mb": runs[0]["peak_rss_mb"]})
    return {"found": found, "left_out": list(sizes[len(found) :])}


def prepare(folder: Path, sizes: Sequence[int], graphs: Sequence[int], cache: Path) -> None:
    """Write texts and vectors of the largest size, and the graphs of those asked for."""
    here, largest = "benchmarks.facility_location_million", max(sizes)
    files = isolated(f"{here}:embed", n=largest, cache=str(cache))["files"]
    np.save(folder / "vectors.npy", np.concatenate([np.load(file) for file in files])[:largest])
    pl.DataFrame({"text": sentences(largest)}).write_parquet(folder / "texts.parquet")
    for n in graphs:
        job = {"files": files, "n": n, "k": NEIGHBOURS, "sample": 1_000, "cache": str(cache)}
        (folder / f"graph_{n}").symlink_to(isolated(f"{here}:neighbours", **job)["folder"])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only", nargs="+", choices=tuple(OPERATIONS), default=tuple(OPERATIONS))
    parser.add_argument("--limit", type=float, default=60, help="expected CPU seconds above which a size is left out")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for vectors and graphs")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--no-record", action="store_true", help="print only, but for the picture")
    options = parser.parse_args(argv)
    from datasel_assets.diagnostics.growth import fit_growth
    from datasel_assets.diagnostics.plots import growth

    options.cache.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    curves: dict[str, tuple[list[int], list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in THREADS:
            os.environ[name] = str(options.threads)
        graphs = [WARM, *options.sizes] if FACILITY_LOCATION in options.only else []
        prepare(Path(folder), options.sizes, graphs, options.cache)
        for name in THREADS:
            os.environ[name] = "1"
        for operation in options.only:
            got = isolated(
                "benchmarks.growth:run",
                operation=operation,
                folder=folder,
                sizes=sorted(options.sizes),
                limit=options.limit,
            )
            sizes, seconds = ([each[key] for each in got["found"]] for key in ("n", "cpu_s"))
            curves[operation] = sizes, seconds
            for each in got["found"]:
                n = each.pop("n")
                rows.append(Row(operation, n, Measured(**each)))
            rows[-1].extra |= {"exponent": round(fit_growth(sizes, seconds).exponent, 3), "left_out": got["left_out"]}
    report("growth", rows, record=not options.no_record)
    largest = {name: seconds[-1] for name, (_, seconds) in curves.items()}
    options.picture.write_bytes(growth({name: curves[name] for name in sorted(curves, key=lambda n: -largest[n])}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
