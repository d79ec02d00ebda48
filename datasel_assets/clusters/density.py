"""Clusters by density (HDBSCAN): their number is found, not given, and rows where few others are belong to none.

Belongs here: the spanning tree over mutual reachability, in memory that grows with n. Does not: the hierarchy of
clusters over that tree (scikit-learn), which rows of a cluster are chosen (``samplers``).
"""

import numpy as np

from datasel_assets.arrays.nearest_neighbours import nearest_neighbours

_NO_EDGE = 1e-9  # scipy takes a stored 0 for no edge; copies of a row lie this far apart
_SCALE = 2.0**14
_SPARE = 3  # neighbours more than needed, so that rounding in the search does not decide which is the last one


def density_clusters(points: np.ndarray, min_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the HDBSCAN cluster of each row and how firmly it belongs there.

    Campello, Moulavi and Sander 2013; McInnes and Healy 2017 (excess of mass; the root is no cluster). Clusters are
    those of ``sklearn.cluster.HDBSCAN(min_cluster_size=min_rows)`` over Euclidean distance, up to the choice among
    equal mutual reachabilities (common: then the order of the rows decides, there as here). scikit-learn's own search
    of the tree is slow in many dimensions, or keeps n x n distances; here the tree is made first and given to it.

    Args:
        points: (n, d) float32 unit vectors.
        min_rows: fewest rows of a cluster, at least 2; a row's surroundings are judged by as many, itself included.

    Returns:
        labels (n,) int64, -1 for rows of no cluster, otherwise from 0, the largest cluster first (among equals the one
        with the first row); membership (n,) float64, 0 for rows of no cluster, 1 in the densest part of a cluster.
        Time: n^2 d / 2 products; memory: 6 n d bytes and about 20 n min_rows.
    """
    from scipy.sparse import csr_array
    from sklearn.cluster import HDBSCAN

    n = len(points)
    if n < min_rows:
        return np.full(n, -1), np.zeros(n)
    rows, others, lengths = _spanning_tree(points, min_rows)
    edges = (np.tile(lengths, 2), (np.concatenate([rows, others]), np.concatenate([others, rows])))
    # The lengths are mutual reachabilities already; with one row as the surroundings they stay as they are.
    model = HDBSCAN(min_cluster_size=min_rows, min_samples=1, metric="precomputed", copy=False)  # pyright: ignore[reportArgumentType]
    found = model.fit(csr_array(edges, shape=(n, n))).labels_
    clusters = int(found.max(initial=-1)) + 1
    sizes = np.bincount(found[found >= 0], minlength=clusters)
    first = np.array([np.argmax(found == cluster) for cluster in range(clusters)], np.int64)
    number = np.empty(clusters + 1, np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(clusters)
    number[-1] = -1
    return number[found], np.asarray(model.probabilities_, np.float64)


def _spanning_tree(points: np.ndarray, min_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the n - 1 edges (row, row, length) of a minimum spanning tree over mutual reachability (Prim).

    Coordinates are rounded to multiples of 2**-14, about as fine as float16: distances are then exact, on any machine.
    """
    from datasel_assets.clusters.density_kernels import spanning_tree, squared_distances

    n = len(points)
    near = nearest_neighbours(points, min(min_rows + _SPARE, n - 1)).index
    whole = np.rint(points * np.float32(_SCALE)).astype(np.int16)
    squares = np.square(whole, dtype=np.int64).sum(axis=1)
    away = np.empty(near.shape, np.int64)
    squared_distances(whole, squares, near, away)
    core = np.sort(away, axis=1)[:, min_rows - 2]
    rows, others, lengths = np.empty((3, n - 1), np.int64)
    spanning_tree(whole, squares, core, rows, others, lengths)
    return rows, others, np.maximum(np.sqrt(lengths) / _SCALE, _NO_EDGE)
