"""Which arms learn from one another: weights from the distances between clusters.

Belongs here: distances of clusters as Gaussians, and weights of neighbours. Does not: the clusters, the bandit.
"""

import numpy as np


def neighbour_weights(distances: np.ndarray, radius: float) -> np.ndarray:
    """Return (K, K) weights ``1 - d / radius`` of arms nearer than the radius, 0 for others (Quad, 2409.16986).

    Args:
        distances: (K, K), 0 on the diagonal.
        radius: in the same unit; 0: nobody has a neighbour.
    """
    if radius <= 0:
        return np.eye(len(distances))
    found = np.clip(1 - np.asarray(distances, np.float64) / radius, 0, 1)
    np.fill_diagonal(found, 1)
    return found


def centroid_distances(centroids: np.ndarray) -> np.ndarray:
    """Return (K, K) cosine distances between unit vectors (K, d)."""
    found = np.clip(1 - centroids.astype(np.float64) @ centroids.astype(np.float64).T, 0, 2)
    np.fill_diagonal(found, 0)
    return found


def gaussian_distances(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return (K, K) squared 2-Wasserstein distances between Gaussians with diagonal covariances (EQUAL, 2505.12250).

    ``|m_i - m_j|^2 + sum_k (sqrt v_ik - sqrt v_jk)^2``.

    Args:
        means: (K, d).
        variances: (K, d), 0 or more.
    """
    points = np.concatenate([means, np.sqrt(variances)], axis=1).astype(np.float64)
    squares = (points**2).sum(axis=1)
    found = np.clip(squares[:, None] + squares[None, :] - 2 * points @ points.T, 0, None)
    np.fill_diagonal(found, 0)
    return found
