"""Spherical k-means over unit vectors. Belongs here: fitting, assigning and adding up clusters.

Not here: what clusters are called (titles.py), how they are drawn (projection.py), which rows a recipe takes from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

_BLOCK_ROWS = 1024
_NORM_TOLERANCE = 1e-3
MAX_AUTO_CLUSTERS = 1000
FIT_ROWS_PER_CLUSTER = 256

FIT_ROWS = 200_000
"""Centroids of at most this many rows (a hash sample); more rows move them by less than the seed does."""


@dataclass(frozen=True)
class ClusterModel:
    """Fitted clusters, largest first.

    Attributes:
        centroids: float32 (k, d), unit rows.
        sizes: int64 (k,), rows of the fitting sample per cluster; never zero.
        inertias: float64 (k,), sum over those rows of 1 - cosine to the centroid. (The squared Euclidean distance of
            unit vectors is 2 (1 - cosine): the inertia of scikit-learn is twice this one.)
        info: JSON-able facts: ``k_requested``, ``k`` (what is left without empty clusters), ``rows``, ``rows_zero``,
            ``iterations``, ``seed``, ``warnings`` (sentences).
    """

    centroids: np.ndarray
    sizes: np.ndarray
    inertias: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        """Number of clusters, none of them empty on the fitting sample."""
        return len(self.centroids)

    @property
    def inertia(self) -> float:
        """Sum over the fitting sample of 1 - cosine to the nearest centroid."""
        return float(self.inertias.sum())

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that define the model, for safetensors; ``info`` is stored beside them."""
        return {"centroids": self.centroids, "sizes": self.sizes, "inertias": self.inertias}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any] | None = None) -> "ClusterModel":
        """Rebuild a model from what ``to_arrays`` returned, and its ``info`` where that was kept.

        Raises:
            ValueError: an array is missing or the shapes do not belong together.
        """
        missing = {"centroids", "sizes", "inertias"} - set(arrays)
        if missing:
            raise ValueError(f"a cluster model needs the arrays {sorted(missing)} too; got {sorted(arrays)}")
        centroids = np.asarray(arrays["centroids"], np.float32)
        sizes = np.asarray(arrays["sizes"], np.int64)
        inertias = np.asarray(arrays["inertias"], np.float64)
        if centroids.ndim != 2 or not len(centroids) == len(sizes) == len(inertias):
            raise ValueError(
                f"cluster arrays disagree: centroids {centroids.shape}, sizes {sizes.shape}, "
                f"inertias {inertias.shape}; fit the clusters again"
            )
        return cls(centroids, sizes, inertias, dict(info or {}))


@dataclass(frozen=True)
class ClusterStats:
    """What an assignment adds up to; statistics of two disjoint sets of rows merge exactly.

    Attributes:
        sizes: int64 (k,) rows per cluster.
        inertias: float64 (k,) sum of 1 - cosine per cluster.
        unassigned: rows without a cluster (zero vectors).
    """

    sizes: np.ndarray
    inertias: np.ndarray
    unassigned: int

    @property
    def inertia(self) -> float:
        """Sum of 1 - cosine over all assigned rows."""
        return float(self.inertias.sum())

    @property
    def empty(self) -> int:
        """Clusters without a row."""
        return int((self.sizes == 0).sum())

    def merge(self, other: "ClusterStats") -> "ClusterStats":
        """Return the statistics of both sets of rows together."""
        if len(self.sizes) != len(other.sizes):
            raise ValueError(
                f"statistics over {len(self.sizes)} and {len(other.sizes)} clusters come from different models"
            )
        return ClusterStats(
            self.sizes + other.sizes, self.inertias + other.inertias, self.unassigned + other.unassigned
        )


def auto_k(n: int) -> int:
    """Return the number of clusters for ``n`` rows when nobody chose one: round(sqrt(n)), at most 1000.

    >>> auto_k(10_000), auto_k(0), auto_k(50_000_000)
    (100, 1, 1000)
    """
    return int(min(max(round(float(n) ** 0.5), 1), MAX_AUTO_CLUSTERS))


def fit_clusters(
    X: np.ndarray, k: int | Literal["auto"] | None = "auto", seed: int = 0, iterations: int = 25
) -> ClusterModel:
    """Fit spherical k-means (Dhillon and Modha 2001) with faiss on all rows of ``X``.

    Maximises sum_i max_c <x_i, m_c> over unit centroids m_c by Lloyd iterations, from k *distinct* rows chosen by
    ``seed``. Unlike bare faiss there is no silent subsampling (choose the rows with ``hash_sample``; 256 per
    cluster are plenty), no message on stderr, no refusal when k is too large, and no empty cluster left.

    Same input, same bytes: on one and on two threads alike (tested; faiss sums each centroid in row order whatever
    the thread count). Another CPU type may differ in the last bits, as any BLAS does.

    Args:
        X: (n, d) floating point, unit rows; rows of other length are normalised on a copy, zero rows left out.
        k: clusters wanted, or ``"auto"`` / None for :func:`auto_k` of the rows that count.
        seed: chooses the starting rows.
        iterations: Lloyd iterations.

    Returns:
        The model; ``info["k"]`` may be below ``info["k_requested"]`` and ``info["warnings"]`` says why.
        Memory: ``X`` as float32 (no copy if it is C-contiguous float32 with unit rows) plus O(k d).

    Raises:
        ValueError: ``X`` is no matrix, holds NaN or infinity, or k or iterations are below 1.
    """
    X, rows_zero = _unit_rows(X)
    n, d = X.shape
    wanted = auto_k(n) if k in (None, "auto") else k
    if not isinstance(wanted, int | np.integer) or isinstance(wanted, bool) or wanted < 1:
        raise ValueError(f"k is {k!r}: give a number of clusters of at least 1, or 'auto'")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}: at least 1 is needed")
    info: dict[str, Any] = {
        "k_requested": int(wanted),
        "k": 0,
        "rows": n,
        "rows_zero": rows_zero,
        "iterations": 0,
        "seed": seed,
        "warnings": [],
    }
    if n == 0:
        info["warnings"].append("no row has a vector: there are no clusters")
        return ClusterModel(np.zeros((0, d), np.float32), np.zeros(0, np.int64), np.zeros(0), info)
    start = _distinct_rows(X, int(wanted), seed)
    if len(start) < wanted:
        # Fewer distinct points than clusters: the points themselves are the optimum, there is nothing to iterate.
        info["warnings"].append(f"only {len(start)} distinct vectors for {wanted} clusters: one cluster per vector")
        centroids = _normalised(X[start])
    else:
        centroids = _lloyd(X, X[start], iterations)
        info["iterations"] = iterations
    labels, distance = _assign_unit(centroids, X)
    stats = cluster_stats(labels, distance, len(centroids))
    if stats.empty:
        info["warnings"].append(f"{stats.empty} of {len(centroids)} clusters were empty and have been left out")
    order = np.argsort(-stats.sizes, kind="stable")
    order = order[stats.sizes[order] > 0]
    info["k"] = len(order)
    return ClusterModel(centroids[order], stats.sizes[order], stats.inertias[order], info)


def assign(model: ClusterModel, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest centroid of each row and the distance to it.

    A row gets the same label and distance whatever rows come with it: where rounding could tell, products are
    float64. The lowest cluster wins a tie.

    Args:
        model: fitted clusters.
        X: (n, d) floating point; need not be normalised.

    Returns:
        labels int32 (n,), -1 where the row is zero, and distance float32 (n,) = 1 - cosine in [0, 2], NaN there.

    Raises:
        ValueError: another dimension than the model's, or NaN or infinity in ``X``.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != model.centroids.shape[1]:
        raise ValueError(
            f"rows of shape {X.shape} do not fit clusters of dimension {model.centroids.shape[1]}: "
            "fit the clusters on the same representation"
        )
    if model.k == 0:
        return np.full(len(X), -1, np.int32), np.full(len(X), np.nan, np.float32)
    return _assign_unit(model.centroids, X)


def cluster_stats(labels: np.ndarray, distance: np.ndarray, k: int) -> ClusterStats:
    """Add up an assignment: rows and inertia per cluster.

    Args:
        labels: int (n,), -1 for rows without a cluster.
        distance: float (n,), 1 - cosine; ignored where the label is -1.
        k: number of clusters of the model.
    """
    labels = np.asarray(labels)
    known = labels >= 0
    sizes = np.bincount(labels[known], minlength=k).astype(np.int64)
    inertias = np.bincount(labels[known], weights=np.asarray(distance, np.float64)[known], minlength=k)
    return ClusterStats(sizes, inertias, int(len(labels) - known.sum()))


def _unit_rows(X: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the non-zero rows of ``X`` as unit float32 rows, and the number of zero rows."""
    X = np.asarray(X)
    if X.ndim != 2 or not np.issubdtype(X.dtype, np.floating):
        raise ValueError(f"k-means needs a floating point matrix (rows, dimensions), not {X.dtype} {X.shape}")
    X = np.ascontiguousarray(X, np.float32)
    norms = _norms(X)
    zero = norms == 0
    rows_zero = int(zero.sum())
    if rows_zero:
        X, norms = X[~zero], norms[~zero]
    # float16 storage rounds norms by about 1e-4, which moves no centroid: only longer or shorter rows cost a copy.
    if np.any(np.abs(norms - 1) > _NORM_TOLERANCE):
        X = X / norms[:, None]
    return X, rows_zero


def _norms(X: np.ndarray) -> np.ndarray:
    norms = np.sqrt(np.einsum("ij,ij->i", X, X))
    if not np.isfinite(norms).all():
        bad = np.flatnonzero(~np.isfinite(norms))
        raise ValueError(f"{len(bad)} rows hold NaN or infinity (first at position {bad[0]}): leave them out first")
    return norms


def _normalised(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _distinct_rows(X: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return the positions of up to ``k`` rows in seeded random order, no two of them equal.

    Equal starting rows would leave all but one of their clusters empty from the first iteration on. Rows are
    compared by their bytes, a block at a time, so that a pool without copies costs k rows and not a sort of n.
    """
    order = np.random.default_rng(seed & 0xFFFF_FFFF_FFFF_FFFF).permutation(len(X))
    seen: set[bytes] = set()
    chosen: list[int] = []
    for position in order:
        # Adding zero turns -0.0 into 0.0.
        key = (X[position] + np.float32(0)).tobytes()
        if key in seen:
            continue
        seen.add(key)
        chosen.append(int(position))
        if len(chosen) == k:
            break
    return np.array(chosen, np.int64)


def _lloyd(X: np.ndarray, start: np.ndarray, iterations: int) -> np.ndarray:
    import faiss

    n, d = X.shape
    k = len(start)
    parameters = faiss.ClusteringParameters()
    parameters.niter = iterations
    parameters.spherical = True
    # Above this bound faiss takes a subsample without a word, below the other it writes to stderr.
    parameters.max_points_per_centroid = n // k + 1
    parameters.min_points_per_centroid = 1
    parameters.check_input_data_for_NaNs = False
    clustering = faiss.Clustering(d, k, parameters)
    faiss.copy_array_to_vector(np.ascontiguousarray(start).ravel(), clustering.centroids)
    clustering.train(X, faiss.IndexFlatIP(d))
    centroids = faiss.vector_to_array(clustering.centroids).reshape(k, d)
    # Where the rows of a cluster cancel out (x and -x), every direction is as good: keep the one it started from.
    cancelled = np.linalg.norm(centroids, axis=1) < 0.5
    return _normalised(np.where(cancelled[:, None], start, centroids))


def _assign_unit(centroids: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(X)
    labels = np.empty(n, np.int32)
    distance = np.empty(n, np.float32)
    exact = centroids.astype(np.float64)
    transposed = np.ascontiguousarray(centroids.T, np.float32)
    rounding = 2 * X.shape[1] * np.finfo(np.float32).eps  # at most so far from the truth are two cosines of one row
    for first in range(0, n, _BLOCK_ROWS):
        part = slice(first, first + _BLOCK_ROWS)
        block = np.ascontiguousarray(X[part], np.float32)
        rows, norms = np.arange(len(block)), _norms(block)
        cosines = block @ transposed
        best = cosines.argmax(axis=1)
        first_best = cosines[rows, best]
        cosines[rows, best] = -np.inf
        # How BLAS sums depends on the block, the threads and the processor: where that could change the label, and for
        # the distance, the products are made again in float64, of which a float32 distance keeps no trace of the order.
        doubtful = first_best - cosines.max(axis=1) <= rounding * norms
        double = block.astype(np.float64)
        best[doubtful] = (double[doubtful] @ exact.T).argmax(axis=1)
        nearest = 1 - np.einsum("ij,ij->i", double, exact[best]) / np.where(norms > 0, norms, 1)
        labels[part] = np.where(norms > 0, best, -1)
        distance[part] = np.where(norms > 0, np.clip(nearest, 0, 2), np.nan)
    return labels, distance
