"""Compiled sums over similarities and tags. Import it inside functions only: it loads numba.

Everything is sums of whole numbers, so the results do not depend on the order of summation. Similarities are int32
ticks of 2**-24 (``similarity.ONE``). Dense ones come as a matrix and the line of each row in it, sparse ones as CSR.
"""

import numpy as np
from numba import int32, int64

from datasel_assets.compiled import compiled

_TILE = 16


@compiled
def _tick(cosine, one):
    """Round max(cosine, 0) to ticks; what float32 cannot tell from 1 is 1, so that a copy counts like the row."""
    ticks = int32(min(max(cosine, 0.0), 1.0) * one + 0.5)
    return ticks if ticks < int32(one) - 8 else int32(one)


@compiled
def to_ticks(cosines, one, ticks):
    """Round a table of cosines (n, k)."""
    for i in range(len(cosines)):
        for a in range(len(cosines[0])):
            ticks[i, a] = _tick(cosines[i, a], one)


@compiled
def store_pair(block, one, first, second, matrix):
    """Write the cosines ``block[i, j]`` of rows first + i and second + j to both places in ``matrix`` as ticks."""
    rows, columns = block.shape
    for i0 in range(0, rows, _TILE):
        for j0 in range(0, columns, _TILE):
            i1, j1 = min(i0 + _TILE, rows), min(j0 + _TILE, columns)
            for i in range(i0, i1):
                for j in range(j0, j1):
                    matrix[first + i, second + j] = _tick(block[i, j], one)
            for j in range(j0, j1):
                for i in range(i0, i1):
                    matrix[second + j, first + i] = matrix[first + i, second + j]


@compiled
def store_lines(block, one, first, lines, matrix):
    """Write the cosines ``block[i, a]`` of pool row first + i and wanted row a to ``matrix[lines[a], first + i]``."""
    rows = len(block)
    for i0 in range(0, rows, _TILE):
        for a in range(len(lines)):
            for i in range(i0, min(i0 + _TILE, rows)):
                matrix[lines[a], first + i] = _tick(block[i, a], one)


@compiled
def line_sums(matrix, lines, sums):
    """sums[a] = sum_i matrix[lines[a], i]."""
    for a in range(len(lines)):
        line = lines[a]
        total = int64(0)
        for i in range(len(matrix[0])):
            total += matrix[line, i]
        sums[a] = total


@compiled
def dense_above(matrix, lines, best, gains):
    """gains[a] = sum_i max(matrix[lines[a], i] - best[i], 0)."""
    for a in range(len(lines)):
        line = lines[a]
        total = int64(0)
        for i in range(len(best)):
            total += max(matrix[line, i] - best[i], 0)
        gains[a] = total


@compiled
def count_above(matrix, lines, best, counts):
    """counts[a] = how many i have matrix[lines[a], i] > best[i]."""
    for a in range(len(lines)):
        line = lines[a]
        total = int64(0)
        for i in range(len(best)):
            total += matrix[line, i] > best[i]
        counts[a] = total


@compiled
def list_above(matrix, lines, best, indices, values):
    """Write down what ``count_above`` counts, line after line; the outputs have room for one entry more."""
    filled = 0
    for a in range(len(lines)):
        line = lines[a]
        for i in range(len(best)):
            # Written in any case, and written over when it does not count: a branch here costs more than it saves.
            indices[filled] = i
            values[filled] = matrix[line, i]
            filled += matrix[line, i] > best[i]


@compiled
def sparse_above(indptr, indices, values, rows, best, gains):
    """gains[a] = sum over the stored neighbours i of rows[a] of max(similarity - best[i], 0)."""
    for a in range(len(rows)):
        total = int64(0)
        for place in range(indptr[rows[a]], indptr[rows[a] + 1]):
            total += max(values[place] - best[indices[place]], 0)
        gains[a] = total


@compiled
def sparse_list_above(indptr, indices, values, best):
    """Return the CSR of the entries that are above ``best``."""
    n = len(indptr) - 1
    starts = np.zeros(n + 1, np.int64)
    kept = 0
    for row in range(n):
        for place in range(indptr[row], indptr[row + 1]):
            kept += values[place] > best[indices[place]]
        starts[row + 1] = kept
    columns = np.empty(kept + 1, np.int32)
    ticks = np.empty(kept + 1, np.int32)
    kept = 0
    for place in range(indptr[n]):
        columns[kept] = indices[place]
        ticks[kept] = values[place]
        kept += values[place] > best[indices[place]]
    return starts, columns[:kept], ticks[:kept]


@compiled
def dense_below(matrix, lines, room, gains):
    """gains[a] = sum_i min(matrix[lines[a], i], room[i])."""
    for a in range(len(lines)):
        line = lines[a]
        total = int64(0)
        for i in range(len(room)):
            total += min(int64(matrix[line, i]), room[i])
        gains[a] = total


@compiled
def sparse_below(indptr, indices, values, rows, room, gains):
    """gains[a] = sum over the stored neighbours i of rows[a] of min(similarity, room[i])."""
    for a in range(len(rows)):
        total = int64(0)
        for place in range(indptr[rows[a]], indptr[rows[a] + 1]):
            total += min(int64(values[place]), room[indices[place]])
        gains[a] = total


@compiled
def tag_steps(indptr, indices, rows, counts, steps, gains):
    """gains[a] = sum over the tags t of rows[a] of steps[counts[t]]."""
    for a in range(len(rows)):
        total = int64(0)
        for place in range(indptr[rows[a]], indptr[rows[a] + 1]):
            total += steps[counts[indices[place]]]
        gains[a] = total


@compiled
def symmetric(index, ticks, one):
    """Return the union of a k-NN graph, its mirror image and the diagonal as CSR, columns ascending, larger tick kept.

    Args:
        index: (n, k) int64 neighbours, -1 for none.
        ticks: (n, k) int32 similarities; 0 is not stored.
        one: ticks of the diagonal.
    """
    n, k = index.shape
    counts = np.ones(n + 1, np.int64)
    counts[0] = 0
    for i in range(n):
        for a in range(k):
            j = index[i, a]
            if j >= 0 and ticks[i, a] > 0:
                counts[i + 1] += 1
                counts[j + 1] += 1
    for i in range(n):
        counts[i + 1] += counts[i]
    columns = np.empty(counts[n], np.int32)
    values = np.empty(counts[n], np.int32)
    fill = counts[:n].copy()
    for i in range(n):
        columns[fill[i]] = i
        values[fill[i]] = one
        fill[i] += 1
        for a in range(k):
            j = index[i, a]
            if j >= 0 and ticks[i, a] > 0:
                columns[fill[i]] = j
                values[fill[i]] = ticks[i, a]
                fill[i] += 1
                columns[fill[j]] = i
                values[fill[j]] = ticks[i, a]
                fill[j] += 1
    indptr = np.zeros(n + 1, np.int64)
    kept = 0
    for i in range(n):
        start, stop = counts[i], counts[i + 1]
        keys = np.empty(stop - start, np.int64)
        for place in range(start, stop):
            keys[place - start] = (int64(columns[place]) << 32) | int64(values[place])
        keys.sort()
        for a in range(len(keys)):
            # Sorted by column, then by value: the last of equal columns has the largest value.
            if a + 1 == len(keys) or (keys[a] >> 32) != (keys[a + 1] >> 32):
                columns[kept] = int32(keys[a] >> 32)
                values[kept] = int32(keys[a] & 0xFFFFFFFF)
                kept += 1
        indptr[i + 1] = kept
    return indptr, columns[:kept].copy(), values[:kept].copy()
