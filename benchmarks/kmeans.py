"""Spherical k-means, fit and labels: ours beside bare faiss and scikit-learn on the same unit vectors.

The vectors are TF-IDF -> SVD of real instructions where the development datasets are present (``DATASEL_SHARED`` or
``../shared/data``), a mixture of directions otherwise. Each implementation runs in a process of its own, once per
seed; times and the ratio to bare faiss are medians over the seeds, the objective is the mean over the seeds of
sum_i (1 - cosine to the nearest centroid), recomputed in float64 from the centroids for everyone.
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

from benchmarks.harness import Measured, Row, isolated, measured, report

IMPLEMENTATIONS = ("faiss-cpu", "datasel", "scikit-learn", "scikit-learn MiniBatchKMeans")
ITERATIONS = 25


def vectors(n: int, dim: int) -> tuple[np.ndarray, str]:
    """Return unit vectors float32 (n, dim) and what they are."""
    shared = Path(os.environ.get("DATASEL_SHARED", Path(__file__).parents[2] / "shared" / "data"))
    pool = shared / "alpaca_52k.parquet"
    if pool.is_file():
        import polars as pl
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.utils.extmath import randomized_svd

        frame = pl.read_parquet(pool).head(n)
        texts = frame.select(pl.concat_str(pl.col(pl.String), separator=" ", ignore_nulls=True)).to_series().to_list()
        words = TfidfVectorizer(max_features=20_000, sublinear_tf=True, dtype=np.float32).fit_transform(texts)
        left, singular, _ = randomized_svd(words, dim, n_iter=2, random_state=0)
        points, name = left * singular, "alpaca tfidf-svd"
    else:
        generator = np.random.default_rng(0)
        middles = generator.standard_normal((400, dim))
        points = middles[generator.integers(0, 400, n)] + 1.5 * generator.standard_normal((n, dim))
        name = "mixture of 400"
    points = points[np.linalg.norm(points, axis=1) > 0]
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), name


def run(implementation: str, path: str, k: int, seed: int) -> dict[str, Any]:
    """Fit and label once in this process."""
    points = np.load(path)
    fit = _IMPLEMENTED[implementation]
    fit(points[: 4 * k], k, 0)  # Imports and thread pools are not what is measured.
    with measured() as cost:
        centroids = fit(points, k, seed)
    middles = centroids.astype(np.float64)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    best = np.concatenate([(part @ middles.T).max(axis=1) for part in np.array_split(points, 20)])
    return {**asdict(cost), "objective": float((1 - best).sum())}


def _datasel(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    from datasel_assets.clusters import assign, fit_clusters

    model = fit_clusters(points, k, seed, ITERATIONS)
    assign(model, points)
    return model.centroids


def _faiss(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    import faiss

    # The bound is lifted: by default faiss drops rows above 256 per centroid, which would be less work than ours.
    model = faiss.Kmeans(
        points.shape[1],
        k,
        niter=ITERATIONS,
        seed=seed + 1,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points) // k + 1,
    )
    model.train(points)
    model.index.search(points, 1)
    return model.centroids


def _sklearn(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    model = KMeans(k, init="random", n_init=1, max_iter=ITERATIONS, tol=0, random_state=seed).fit(points)
    model.predict(points)
    return model.cluster_centers_


def _minibatch(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(k, n_init=1, random_state=seed).fit(points)
    model.predict(points)
    return model.cluster_centers_


_IMPLEMENTED: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "faiss-cpu": _faiss,
    "datasel": _datasel,
    "scikit-learn": _sklearn,
    "scikit-learn MiniBatchKMeans": _minibatch,
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    points, data = vectors(options.n, options.dim)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in IMPLEMENTATIONS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.npy"
        np.save(path, points)
        # Round by round, so that other work on the machine meets everyone alike.
        for seed in range(options.seeds):
            for name in IMPLEMENTATIONS:
                found[name].append(
                    isolated("benchmarks.kmeans:run", implementation=name, path=str(path), k=options.k, seed=seed)
                )
    rows = []
    for name, rounds in found.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in ("wall_s", "cpu_s", "peak_rss_mb")}
        ratios = [a["cpu_s"] / b["cpu_s"] for a, b in zip(rounds, found["faiss-cpu"], strict=True)]
        extra = {
            "k": options.k,
            "dim": options.dim,
            "data": data,
            "cpu_over_faiss": round(statistics.median(ratios), 3),
        }
        objective = round(statistics.fmean(each["objective"] for each in rounds), 2)
        rows.append(Row(name, len(points), Measured(**middle), objective, extra))
    report("kmeans", rows, record=not options.no_record)


if __name__ == "__main__":
    main()
