"""Compiled loops over rows of whole numbers, exact in any order. Import it inside functions only: it loads numba."""

import numpy as np
from numba import int32, int64

from datasel_assets.compiled import compiled


@compiled
def _square(points, squares, a, b):
    """Return the squared distance of rows a and b, whose squared lengths are at most 2**30."""
    product = int32(0)
    for c in range(len(points[0])):
        product = int32(product + int32(points[a, c]) * int32(points[b, c]))
    return squares[a] + squares[b] - 2 * int64(product)


@compiled
def squared_distances(points, squares, index, found):
    """found[i, j] = squared distance of row i and row index[i, j]."""
    for i in range(len(index)):
        for j in range(len(index[0])):
            found[i, j] = _square(points, squares, i, index[i, j])


@compiled
def spanning_tree(points, squares, core, rows, others, lengths):
    """Write the n - 1 edges of a minimum spanning tree by max(squared distance, core of both), from row 0 on (Prim).

    Of equal edges the one to the lowest row is taken, from the row that was reached first.
    """
    n = len(points)
    left = np.arange(1, n)
    reach = np.full(n, np.iinfo(np.int64).max)
    into = np.zeros(n, np.int64)
    last = 0
    for step in range(n - 1):
        best = 0
        for place in range(n - 1 - step):
            row = left[place]
            away = max(_square(points, squares, last, row), core[last], core[row])
            if away < reach[row]:
                reach[row] = away
                into[row] = last
            ahead = left[best]
            if reach[row] < reach[ahead] or (reach[row] == reach[ahead] and row < ahead):
                best = place
        last = left[best]
        left[best] = left[n - 2 - step]
        rows[step], others[step], lengths[step] = last, into[last], reach[last]
