"""Maximum mean discrepancy of two sets of vectors. Belongs here: unbiased estimates with a linear and an RBF kernel."""

import numpy as np

_BLOCK = 2048
_HEURISTIC = 1000


def mmd2_linear(A: np.ndarray, B: np.ndarray) -> float:
    """Return the unbiased squared MMD with the linear kernel k(x, y) = x . y (Gretton et al. 2012, Eq 3).

    An unbiased estimate of ||mean of P - mean of Q||^2, hence about 0, and below it as often as above, for two samples
    of one distribution. O((m + n) d): the sums over pairs are squares of sums.

    Args:
        A: (m, d), a sample of P.
        B: (n, d), a sample of Q, independent of A.

    Returns:
        A number; NaN below two rows on either side.
    """
    A, B = _both(A, B)
    if min(len(A), len(B)) < 2:
        return float("nan")
    means = A.mean(axis=0), B.mean(axis=0)
    within = [
        (len(X) * (mean @ mean) - np.einsum("ij,ij->", X, X) / len(X)) / (len(X) - 1)
        for X, mean in zip((A, B), means, strict=True)
    ]
    return float(within[0] + within[1] - 2 * means[0] @ means[1])


def mmd2_rbf(A: np.ndarray, B: np.ndarray, sigma: float | None = None) -> float:
    """Return the unbiased squared MMD with the kernel exp(-||x - y||^2 / (2 sigma^2)) (Gretton et al. 2012, Eq 3).

    Sees any difference of two distributions, not only of their means. O((m + n)^2 d) by blocks of 2048 x 2048.

    Args:
        A: (m, d), a sample of P.
        B: (n, d), a sample of Q, independent of A.
        sigma: bandwidth; None takes ``median_distance``.

    Returns:
        A number, about 0 for two samples of one distribution, at most 2; NaN below two rows on either side.

    Raises:
        ValueError: sigma is not positive.
    """
    A, B = _both(A, B)
    if sigma is not None and not sigma > 0:
        raise ValueError(f"sigma is {sigma}: a bandwidth is a positive distance")
    if min(len(A), len(B)) < 2:
        return float("nan")
    width = median_distance(A, B) if sigma is None else sigma
    within = [(_kernel_sum(X, X, width) - len(X)) / (len(X) * (len(X) - 1)) for X in (A, B)]
    return float(within[0] + within[1] - 2 * _kernel_sum(A, B, width) / (len(A) * len(B)))


def median_distance(A: np.ndarray, B: np.ndarray) -> float:
    """Return the median distance between different rows of both sets together: the usual bandwidth.

    Of every k-th row, 1000 at most, so the order of the rows matters slightly. 1 where all rows coincide.
    """
    joined = np.concatenate(_both(A, B))
    picked = joined[np.linspace(0, len(joined) - 1, min(len(joined), _HEURISTIC)).astype(int)]
    squares = _squares(picked, picked)[np.triu_indices(len(picked), 1)]
    middle = float(np.sqrt(np.median(squares))) if len(squares) else 0.0
    return middle or 1.0


def _both(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    A, B = np.asarray(A, np.float64), np.asarray(B, np.float64)
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[1]:
        raise ValueError(f"sets of shapes {A.shape} and {B.shape}: give rows of the same number of dimensions")
    return A, B


def _squares(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    products = X @ Y.T
    products *= -2
    products += np.vecdot(X, X)[:, None]
    products += np.vecdot(Y, Y)
    return np.maximum(products, 0, out=products)


def _kernel_sum(X: np.ndarray, Y: np.ndarray, sigma: float) -> float:
    total = 0.0
    for i in range(0, len(X), _BLOCK):
        for j in range(0, len(Y), _BLOCK):
            squares = _squares(X[i : i + _BLOCK], Y[j : j + _BLOCK])
            squares *= -0.5 / sigma**2
            if X is Y and i == j:
                np.fill_diagonal(squares, 0)  # rounding must not move a row away from itself
            total += float(np.exp(squares, out=squares).sum())
    return total
