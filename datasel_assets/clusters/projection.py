"""A 2-D picture of vectors. Belongs here: the linear map onto two principal axes. Not: drawing it."""

from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.linear_algebra import svd


@dataclass(frozen=True)
class Projection:
    """Two principal axes of a set of vectors.

    Attributes:
        mean: float64 (d,), weighted mean of the fitted rows.
        axes: float64 (2, d), orthonormal, the entry of largest magnitude positive; a row of zeros where the fitted
            rows span fewer dimensions.
        coordinates: float32 (n, 2), the fitted rows.
        explained: float64 (2,), share of the weighted variance on each axis.
    """

    mean: np.ndarray
    axes: np.ndarray
    coordinates: np.ndarray
    explained: np.ndarray

    def place(self, X: np.ndarray) -> np.ndarray:
        """Return the coordinates float32 (m, 2) of other rows (m, d) in the same picture."""
        return _place(X, self.mean, self.axes)


def project_2d(X: np.ndarray, weights: np.ndarray | None = None) -> Projection:
    """Project rows on their first two principal axes, the same on every machine up to rounding.

    Principal component analysis of the centroids, weighted by cluster size, draws the map of a pool at the cost of
    a k x d problem; ``place`` then adds a sample of rows. The sign of an axis, arbitrary in PCA, is fixed as in
    scikit-learn's ``svd_flip``.

    Args:
        X: (n, d) floating point, n >= 0.
        weights: (n,) non-negative weights, for example cluster sizes; default: equal.

    Raises:
        ValueError: ``X`` is no matrix, or the weights do not fit.
    """
    X = np.asarray(X, np.float64)
    if X.ndim != 2:
        raise ValueError(f"a projection needs a matrix (rows, dimensions), not shape {X.shape}")
    n, d = X.shape
    weights = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    if weights.shape != (n,) or np.any(weights < 0) or not np.isfinite(weights).all():
        raise ValueError(f"weights of shape {weights.shape} for {n} rows: give one non-negative number per row")
    axes, explained, mean = np.zeros((2, d)), np.zeros(2), np.zeros(d)
    if weights.sum() > 0:
        share = weights / weights.sum()
        mean = share @ X
        centred = (X - mean) * np.sqrt(share)[:, None]
        _, singular, right = svd(centred)
        # Singular values at rounding level have directions made of noise: such an axis stays zero.
        scale = np.abs(X).max() * max(n, d) * np.finfo(np.float64).eps
        usable = min(2, int((singular > scale).sum()))
        axes[:usable] = right[:usable]
        axes *= np.where(axes[np.arange(2), np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]
        if usable:
            explained[:usable] = singular[:usable] ** 2 / (singular**2).sum()
    return Projection(mean, axes, _place(X, mean, axes), explained)


def _place(X: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
    # Subtracting the projected mean, not the mean, keeps a large X uncopied.
    return (np.asarray(X) @ axes.T - mean @ axes.T).astype(np.float32)
