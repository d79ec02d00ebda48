"""Kullback-Leibler divergence of two sets of vectors from nearest neighbours. Belongs here: Perez-Cruz's estimate."""

import numpy as np

_ENTRIES = 2**22
_FLOOR = 1e-3
_SPARE = 4


def knn_divergence(A: np.ndarray, B: np.ndarray, k: int = 5) -> float:
    """Return the k-nearest-neighbour estimate of KL(P || Q) in nats from samples A of P and B of Q.

    D = (d / n) sum_i ln(s_k(x_i) / r_k(x_i)) + ln(m / (n - 1)) with r_k the distance of row i of A to its k-th
    neighbour among the other rows of A and s_k to its k-th among the m rows of B (Perez-Cruz 2008, Eq 14; Wang,
    Kulkarni and Verdu 2009).

    Two limits to know. The estimate converges as n^(-1/d): at hundreds of dimensions it is far from the divergence of
    the distributions, may be negative, and only compares sets of equal size; hold the value of a random split of the
    same sizes beside it. And copies have no density: distances below 0.001 count as 0.001, so a set that repeats rows
    k times gets a large value, which is meant.

    Args:
        A: (n, d), the sample whose density is the numerator.
        B: (m, d), without the rows of A: a row that is in both is at distance 0 and hides the difference.
        k: neighbours; more are steadier and coarser.

    Returns:
        A number; NaN where A has no more than k rows or B fewer than k.

    Raises:
        ValueError: k is below 1, or the dimensions differ.
    """
    A, B = np.asarray(A, np.float64), np.asarray(B, np.float64)
    if k < 1:
        raise ValueError(f"k is {k}: the first neighbour is the nearest that can be asked for")
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[1]:
        raise ValueError(f"sets of shapes {A.shape} and {B.shape}: give rows of the same number of dimensions")
    n, m = len(A), len(B)
    if n <= k or m < k:
        return float("nan")
    inside, across = _kth(A, A, k, itself=True), _kth(A, B, k, itself=False)
    logs = np.log(np.maximum(across, _FLOOR)) - np.log(np.maximum(inside, _FLOOR))
    return float(A.shape[1] * logs.mean() + np.log(m / (n - 1)))


def _kth(X: np.ndarray, Y: np.ndarray, k: int, *, itself: bool) -> np.ndarray:
    """Distance (n,) of each row of X to the k-th nearest row of Y, by blocks of 4 M distances.

    How a matrix product rounds depends on the threads that share it. So it only proposes, a few rows more than k; their
    distances are computed again, pair by pair, and decide.
    """
    norms, found = np.vecdot(Y, Y), np.empty(len(X))
    step = max(1, _ENTRIES // len(Y))
    some = min(k + _SPARE, len(Y))
    for start in range(0, len(X), step):
        rows = X[start : start + step]
        squares = np.vecdot(rows, rows)[:, None] - 2 * (rows @ Y.T) + norms
        if itself:
            squares[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf
        near = np.argpartition(squares, some - 1, axis=1)[:, :some]
        for row, among in enumerate(near):
            apart = Y[among] - rows[row]
            exact = np.vecdot(apart, apart)
            exact[squares[row, among] == np.inf] = np.inf
            found[start + row] = np.partition(exact, k - 1)[k - 1]
    return np.sqrt(found)
