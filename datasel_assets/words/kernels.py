"""Compiled loops over the words of texts that every reader of words shares. Import it inside functions only: numba.

Belongs here: loops over flat numbers and row offsets. Does not: loops of one indicator (``indicators.text.kernels``).
Every loop goes through the rows one by one with scratch memory that it leaves clean, so a row's value does not depend
on the other rows.
"""

import numpy as np

from datasel_assets.compiled import compiled


@compiled
def distinct_and_top(ids, offsets, size):
    """Return distinct values and the count of the most frequent value of each row, int64 (n,) each."""
    n = len(offsets) - 1
    distinct, top = np.zeros(n, np.int64), np.zeros(n, np.int64)
    counts = np.zeros(size, np.int64)
    for row in range(n):
        for place in range(offsets[row], offsets[row + 1]):
            count = counts[ids[place]] + 1
            counts[ids[place]] = count
            if count == 1:
                distinct[row] += 1
            if count > top[row]:
                top[row] = count
        for place in range(offsets[row], offsets[row + 1]):
            counts[ids[place]] = 0
    return distinct, top


@compiled
def row_sums(ids, offsets, values):
    """Sum of ``values[id]`` over each row, one after the other, float64 (n,)."""
    sums = np.zeros(len(offsets) - 1)
    for row in range(len(sums)):
        total = 0.0
        for place in range(offsets[row], offsets[row + 1]):
            total += values[ids[place]]
        sums[row] = total
    return sums
