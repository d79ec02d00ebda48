"""Principal axes of a pool and their rescaling. Belongs here: eigenvectors, rank, warnings. Not: rows or files."""

from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.linear_algebra import eigh
from datasel_assets.representations.moments import Moments

ROWS_PER_FEATURE = 10
"""Under this many rows per feature the held-out variance of a whitened axis falls well below 1."""


@dataclass(frozen=True)
class PrincipalAxes:
    """Leading eigenpairs of a covariance, and how they divide.

    Attributes:
        mean: (D,) float64.
        directions: (D, k) float64, orthonormal columns, largest entry of each positive.
        variances: (k,) float64, descending.
        divisors: (k,) float64: (variance + ridge * mean variance) ^ (alpha / 2).
        rank: number of variances above rounding noise.
        variance_kept: share of the total variance in the k axes.
        warnings: what the reader of the result should know, in words.
    """

    mean: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    divisors: np.ndarray
    rank: int
    variance_kept: float
    warnings: tuple[str, ...]

    def project(self, rows: np.ndarray) -> np.ndarray:
        """Return z = Lambda^(-alpha/2) U'(x - mu) of (n, D) rows in their own dtype; subtracted first, then rotated."""
        return (rows - self.mean.astype(rows.dtype)) @ (self.directions / self.divisors).astype(rows.dtype)


def principal_axes(
    moments: Moments,
    *,
    dims: int | None = None,
    alpha: float = 1.0,
    ridge: float = 0.0,
    scale: np.ndarray | None = None,
) -> PrincipalAxes:
    """Return the leading axes of the pool behind ``moments`` (CRDS-W, arXiv 2602.13773; alpha = 1 is whitening).

    Exact: eigh of the float64 covariance m2 / (n - 1), where the reference draws an unseeded randomized solver whose
    results differ from run to run. Axes whose variance is rounding noise are dropped, never divided by a floor. Signs
    are fixed (largest entry positive), so that the stored basis is reproducible. Time about 10 D^3 operations.

    Args:
        moments: of the pool, not of the queries.
        dims: number of axes wanted; None for all that the rank allows.
        alpha: spectral power.
        ridge: added to each variance, times the mean variance.
        scale: (D,) multiplies the features first; the covariance follows, so no second pass is needed.

    Raises:
        ValueError: no rows.
    """
    n, features = moments.n, moments.features
    if n == 0:
        raise ValueError("no rows to fit the principal axes on: materialise embeddings of at least one source")
    mean, covariance = moments.mean, moments.m2 / max(n - 1, 1)
    if scale is not None:
        mean, covariance = mean * scale, covariance * np.outer(scale, scale)
    values, vectors = eigh(covariance)
    values, vectors = values[::-1].clip(min=0.0), vectors[:, ::-1]
    threshold = max(features * np.finfo(np.float64).eps, moments.resolution)
    rank = min(int((values > threshold * values[0]).sum()), n - 1)
    wanted = features if dims is None else dims
    kept = min(wanted, rank)
    vectors = _fix_signs(vectors[:, :kept])
    total = float(values.sum())
    divisors = (values[:kept] + ridge * total / features) ** (alpha / 2)
    share = float(values[:kept].sum()) / total if total > 0 else 0.0
    warnings = _warnings(n, features, dims, rank, kept)
    return PrincipalAxes(mean, vectors, values[:kept], divisors, rank, share, warnings)


def _fix_signs(vectors: np.ndarray) -> np.ndarray:
    if not vectors.size:
        return vectors
    largest = np.abs(vectors).argmax(axis=0)
    sign = np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    return np.ascontiguousarray(vectors * sign)


def _warnings(n: int, features: int, dims: int | None, rank: int, kept: int) -> tuple[str, ...]:
    found = []
    if kept == 0:
        found.append("all rows of the pool are equal: no axis is left and every vector is zero")
    elif dims is not None and kept < dims:
        cause = f"the pool has {n} rows" if n - 1 <= rank else f"the rank of the pool is {rank}"
        found.append(f"{dims} dimensions wanted, {kept} kept: {cause}")
    if 0 < n < ROWS_PER_FEATURE * features:
        found.append(
            f"fitted on {n} rows for {features} features, fewer than {ROWS_PER_FEATURE} per feature: "
            "the variance of small axes is underestimated"
        )
    return tuple(found)
