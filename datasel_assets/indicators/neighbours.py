"""Scores from where a row lies among the others: distance to its neighbours, to its centroid, spread of its vector.

Belongs here: the indicators. Does not: the search for neighbours (``arrays.nearest_neighbours``), clusters.
"""

import inspect

import numpy as np

from datasel_assets.arrays.linear_algebra import eigh, product
from datasel_assets.arrays.vectors import directed, squared_norms
from datasel_assets.indicators.base import indicator


@indicator(keep="high", bounds=(0, 2), source="Cao et al. 2023 (InstructionMining), survey Eq 30 with errata")
def knn_distance(distance: np.ndarray) -> np.ndarray:
    """Distance to the 6th nearest other row: how empty the surroundings of a row are.

    Euclidean distance between unit vectors, sqrt(2 - 2 cos), the row itself left out. NaN where the pool has fewer
    than six other rows. High: rare rows; the very highest are often broken ones.
    """
    return _kth(distance, 6)


@indicator(keep="high", bounds=(0, 2), source="survey Eq 30 with k = 1; zero for a copy")
def nearest_distance(distance: np.ndarray) -> np.ndarray:
    """Distance to the nearest other row; 0 when the pool holds a copy.

    Euclidean distance between unit vectors. Low values are redundant rows.
    """
    return _kth(distance, 1)


@indicator(keep="high", bounds=(0, 2), source="mean of the survey's Eq 30 over k = 1..10")
def mean_neighbour_distance(distance: np.ndarray) -> np.ndarray:
    """Mean distance to the ten nearest other rows, a steadier measure of how empty the surroundings are.

    NaN where the pool has no other row.
    """
    known = np.isfinite(distance)
    count = known.sum(axis=1)
    total = np.where(known, distance, 0).sum(axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.full(len(distance), np.nan), where=count > 0)


@indicator(keep="high", bounds=(0, 2), source="Sorscher et al. 2022 (arXiv 2206.14486); D4 (arXiv 2308.12284)")
def centroid_distance(cosine_distance: np.ndarray) -> np.ndarray:
    """Distance to the centroid of the row's own cluster: how untypical the row is of its topic.

    ||x - mu_c|| = sqrt(2 d) between unit vectors at cosine distance d. High: hard or untypical rows (kept by D4 and
    Sorscher et al.); Moderate keeps those nearest to the median distance. NaN for a row without cluster.
    """
    return np.sqrt(np.maximum(2.0 * np.asarray(cosine_distance, np.float64), 0))


@indicator(keep="high", bounds=(0, None), source="Xu et al. 2023 (LIFT, arXiv 2312.11508), survey Eq 31 with errata")
def row_variance(vectors: np.ndarray) -> np.ndarray:
    """Variance among the principal coordinates of a row: how unevenly it loads on the axes of the pool.

    Y = (X - mean) V with the k leading principal axes V (k = min(d, n - 1), at most 64); then
    sum_j (Y_ij - mean_j Y_ij)^2 / (k - 1). The mean over axes depends on which way each axis points, which a LAPACK is
    free to choose, so each is turned until its coordinates have a positive third moment: the value is then the same
    for any rotation of the vectors. NaN for zero rows and for a pool of fewer than three rows.
    """
    usable = directed(squared_norms(vectors))
    result = np.full(len(vectors), np.nan)
    rows = vectors[usable].astype(np.float64)
    k = min(rows.shape[1], len(rows) - 1, 64)
    if k < 2:
        return result
    rows -= rows.mean(axis=0)
    _, axes = eigh(product(rows.T, rows))
    axes = axes[:, ::-1][:, :k]
    coordinates = rows @ axes
    coordinates *= np.where((coordinates**3).sum(axis=0) < 0, -1.0, 1.0)
    result[usable] = coordinates.var(axis=1, ddof=1)
    return result


NEIGHBOURS = {
    found.name: found
    for found in (nearest_distance, knn_distance, mean_neighbour_distance, centroid_distance, row_variance)
}
"""Indicators of the family ``neighbours``."""


def neighbour_scores(**inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of the family, float64 (n,) each.

    Args:
        inputs: what the indicators take, by the name that they give it: ``distance`` (n, k) to the neighbours,
            ``cosine_distance`` (n,) to the centre of the cluster, ``vectors`` (n, d).

    Raises:
        KeyError: an indicator takes something that is not given.
    """
    taken = {name: inspect.signature(found.compute).parameters for name, found in NEIGHBOURS.items()}
    return {name: NEIGHBOURS[name](*(inputs[wanted] for wanted in wants)) for name, wants in taken.items()}


def _kth(distance: np.ndarray, k: int) -> np.ndarray:
    if distance.shape[1] < k:
        return np.full(len(distance), np.nan)
    return distance[:, k - 1].astype(np.float64)
