"""Vendi score: the effective number of different rows. Belongs here: the spectrum of the cosine kernel of a set."""

import numpy as np

from datasel_assets.arrays.linear_algebra import eigvalsh, product
from datasel_assets.arrays.vectors import Vectors
from datasel_assets.diagnostics.directions import unit_blocks
from datasel_assets.diagnostics.hill import hill


def vendi(vectors: Vectors, q: float = 1.0) -> float:
    """Return the Vendi score of order ``q`` (Friedman and Dieng 2023, Eq 2; orders: Pasarkar and Dieng 2024).

    VS_q = (sum_i l_i^q)^(1 / (1 - q)) with l the eigenvalues of K / n and K the cosine kernel; q = 1 gives
    exp(-sum l ln l). (The survey's Eq 39 mixes exp with log2.) n orthogonal rows score n, copies of one row 1, for
    every q; q = 2 is n^2 / ||K||_F^2.

    Args:
        vectors: n rows; they are brought to length one, rows without a direction are left out.
        q: order, >= 0: small orders count rare directions, ``inf`` the strongest only.

    Returns:
        A number in [1, min(n, d)]; 0 without rows.

    Raises:
        ValueError: q is negative.
    """
    return hill(spectrum(vectors), q)


def spectrum(vectors: Vectors) -> np.ndarray:
    """Return the eigenvalues of the cosine kernel over n that are not zero, which sum to 1; largest first.

    X X^T and X^T X have the same non-zero eigenvalues: for d <= n the d x d side is decomposed, O(n d^2 + d^3) and
    one block of rows in memory; for n < d the n x n side. Sums are float64.

    Args:
        vectors: n rows, made unit here.

    Returns:
        float64 (rank,).
    """
    gram, used, kept = np.zeros((vectors.dim, vectors.dim)), 0, []
    small = vectors.n < vectors.dim
    for _, rows in unit_blocks(vectors):
        used += len(rows)
        if small:
            kept.append(rows)
        else:
            gram += product(rows.T, rows)
    if small and kept:
        joined = np.concatenate(kept)
        gram = joined @ joined.T
    if not used:
        return np.zeros(0)
    values = eigvalsh(gram / used)[::-1]
    # What rounding leaves of a zero eigenvalue would count as a direction at small orders.
    return values[values > len(values) * np.finfo(np.float64).eps * values[0]]
