"""Linear algebra whose bytes do not depend on the number of threads.

Belongs here: LAPACK's routines and products that sum over rows, on one thread each. Not here: products of rows with
rows, whose sums are as short as a vector and which BLAS computes alike on any number of threads.

On several threads a factorisation or a long sum is divided among them and so rounded otherwise; what is decided by its
result (which rows a classifier tells, which axes are kept) would then depend on the machine. The matrices here are as
wide as vectors are, and one thread takes milliseconds for them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np


def solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return x of ``a x = b``, as ``numpy.linalg.solve``."""
    return _alone(np.linalg.solve, a, b)


def lstsq(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, int]:
    """Return x of least norm that minimises ``|a x - b|``, and the rank of ``a``."""
    found, _, rank, _ = _alone(np.linalg.lstsq, a, b, rcond=None)
    return found, int(rank)


def eigh(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues of a symmetric matrix, ascending, and its eigenvectors as columns."""
    values, vectors = _alone(np.linalg.eigh, a)
    return values, vectors


def eigvalsh(a: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of a symmetric matrix, ascending."""
    return _alone(np.linalg.eigvalsh, a)


def svd(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the thin singular value decomposition, as ``numpy.linalg.svd``."""
    left, values, right = _alone(np.linalg.svd, a, full_matrices=False)
    return left, values, right


def qr(a: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the columns, as ``numpy.linalg.qr`` does."""
    return _alone(np.linalg.qr, a)[0]


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a @ b``; where ``a`` is ``b.T`` numpy does half of the work."""
    return _alone(np.matmul, a, b)


def _alone(routine: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    with _libraries().limit(limits=1, user_api="blas"):
        return routine(*arguments, **options)


@lru_cache(maxsize=1)
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
