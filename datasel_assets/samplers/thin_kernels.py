"""Compiled loops of ``thin``. Import it inside functions only: it loads numba.

Belongs here: the sequential rule over numbers. Does not: parameters, projections, texts.
"""

import numpy as np

from datasel_assets.compiled import compiled

_RUN = 64
_ONE, _ZERO = np.uint64(1), np.uint64(0)


@compiled
def _cosine_ticks(x, y, scale):
    """Return <x, y> * scale in float64, rounded to a whole number."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = len(x) // 4 * 4
    for k in range(0, whole, 4):
        a += np.float64(x[k]) * np.float64(y[k])
        b += np.float64(x[k + 1]) * np.float64(y[k + 1])
        c += np.float64(x[k + 2]) * np.float64(y[k + 2])
        d += np.float64(x[k + 3]) * np.float64(y[k + 3])
    for k in range(whole, len(x)):
        a += np.float64(x[k]) * np.float64(y[k])
    return np.rint(((a + b) + (c + d)) * scale)


@compiled
def resembling(bounds, low, rows, over_length, alive, others, others_over_length, limit, grid):
    """Return for each of the rows ``alive`` (a,) of ``rows`` (b, dim) whether it resembles one of ``others`` (m, dim).

    It does where a cosine is above ``limit``, counted in ticks of 1 / ``grid``. No cosine is above its ``bounds``
    (a, m) float32, and a bound up to ``low`` cannot reach the limit. ``over_length`` (b,) and ``others_over_length``
    (m,) are one over the lengths, float64.
    """
    found = np.zeros(len(alive), np.bool_)
    for i in range(len(alive)):
        own = bounds[i]
        row = alive[i]
        for start in range(0, len(own), _RUN):
            stop = min(start + _RUN, len(own))
            above = 0
            for j in range(start, stop):
                above += own[j] > low
            if above == 0:
                continue
            for j in range(start, stop):
                if own[j] > low:
                    scale = grid * over_length[row] * others_over_length[j]
                    if _cosine_ticks(rows[row], others[j], scale) > limit:
                        found[i] = True
                        break
            if found[i]:
                break
    return found


@compiled
def stay(bounds, low, rows, over_length, alive, among_kept, room, limit, grid):
    """Return which rows (b,) of a block stay when each meets the earlier ones of the block: sequentially.

    Rows that are not ``alive`` (ascending) are forbidden by an earlier block; ``bounds`` is (a, b), the rest as in
    ``resembling``. ``among_kept``: compare with the rows that stay only, or with all rows of the block. No more than
    ``room`` stay.
    """
    stays = np.zeros(len(rows), np.bool_)
    for i in range(len(alive)):
        if room == 0:
            break
        row = alive[i]
        good = True
        for j in range(row):
            if bounds[i, j] <= low or (among_kept and not stays[j]):
                continue
            if _cosine_ticks(rows[row], rows[j], grid * over_length[row] * over_length[j]) > limit:
                good = False
                break
        if good:
            stays[row] = True
            room -= 1
    return stays


@compiled
def tag_rounds(indptr, indices, order, size):
    """Return for each row of ``order`` the pass in which it brings a new tag, from 0.

    A pass goes over the rows that are left, in order, and takes each that has a tag no row of this pass has had. The
    passes in which a tag is taken have no gap: a row waits until one of its tags is free, and its other tags were taken
    in all passes before. So one sweep with a counter per tag gives every pass.
    """
    passes = np.zeros(size, np.int64)
    found = np.empty(len(order), np.int64)
    for place in range(len(order)):
        begin, end = indptr[order[place]], indptr[order[place] + 1]
        first = passes[indices[begin]]
        for t in range(begin + 1, end):
            first = min(first, passes[indices[t]])
        for t in range(begin, end):
            passes[indices[t]] = max(passes[indices[t]], first + 1)
        found[place] = first
    return found


@compiled
def _common_subsequence(where, number, other, state):
    """Return the length of the longest common subsequence, 64 cells of the table at once (Hyyro 2004).

    ``where`` (types, blocks) holds the places of each value of the one sequence, ``number`` the row of a value or -1.
    """
    state[:] = ~_ZERO
    for value in other:
        if number[value] < 0:
            continue
        carry = _ZERO
        for block in range(len(state)):
            before = state[block]
            met = before & where[number[value], block]
            total = before + met
            over = _ONE if total < before else _ZERO
            total += carry
            carry = _ONE if total < carry else over
            state[block] = total | (before - met)
    length = 0
    for block in range(len(state)):
        clear = ~state[block]
        while clear != _ZERO:
            clear &= clear - _ONE
            length += 1
    return length


@compiled
def unlike_texts(values, counts, offsets, size, ids, starts, in_order, among_kept, threshold, budget):
    """Return which texts (n,) stay when their overlap with an earlier one must not exceed the threshold (0 or more).

    Text i has the distinct ``values[offsets[i]:offsets[i + 1]]`` below ``size``, ascending, each ``counts`` times, and
    the words ``ids[starts[i]:starts[i + 1]]`` in their order; rare values have low numbers. ``in_order``: ROUGE-L (F
    measure) of these words; else Jaccard of the distinct values. ``among_kept``: compare with the texts that stay only,
    or with all earlier ones. No more than ``budget`` stay.

    A text of m values must share more than t m / (2 - t) of them to exceed t (Jaccard: t m), so two texts meet only if
    they share one of the values that are left when so many of the most frequent ones are taken away from each (prefix
    filter: Bayardo, Ma and Srikant 2007). Where they meet, no common subsequence is longer than the values in common.
    """
    n = len(offsets) - 1
    stays = np.zeros(n, np.bool_)
    kept = 0
    last = np.full(size, -1, np.int64)
    before = np.empty(len(values), np.int64)
    text_at = np.empty(len(values), np.int64)
    met = np.full(n, -1, np.int64)
    number = np.full(size, -1, np.int64)
    for i in range(n):
        if kept == budget:
            break
        begin, end = offsets[i], offsets[i + 1]
        own = ids[starts[i] : starts[i + 1]]
        m = len(own) if in_order else end - begin
        least = np.floor((threshold * m / (2 - threshold) if in_order else threshold * m) - 1e-9) + 1
        prefix, seen = begin, 0
        while prefix < end and seen < m - max(least, 1) + 1:
            seen += counts[prefix] if in_order else 1
            prefix += 1
        for place in range(begin, end):
            number[values[place]] = place - begin
        where = np.zeros((0, 0), np.uint64)
        state = np.empty((len(own) + 63) // 64, np.uint64)
        good = True
        for place in range(begin, prefix):
            entry = last[values[place]]
            while entry >= 0 and good:
                text = text_at[entry]
                entry = before[entry]
                if met[text] == i:
                    continue
                met[text] = i
                other = ids[starts[text] : starts[text + 1]]
                length = len(other) if in_order else offsets[text + 1] - offsets[text]
                most = min(m, length)
                together = (m + length) / 2 if in_order else m + length - most
                if most / together <= threshold:
                    continue
                common = 0
                for its in range(offsets[text], offsets[text + 1]):
                    mine = number[values[its]]
                    if mine >= 0:
                        common += min(counts[begin + mine], counts[its]) if in_order else 1
                if not in_order:
                    good = common / (m + length - common) <= threshold
                    continue
                if 2 * common / (m + length) <= threshold:
                    continue
                if len(where) == 0:
                    where = np.zeros((end - begin, len(state)), np.uint64)
                    for at in range(m):
                        where[number[own[at]], at // 64] |= _ONE << np.uint64(at % 64)
                good = 2 * _common_subsequence(where, number, other, state) / (m + length) <= threshold
            if not good:
                break
        for place in range(begin, end):
            number[values[place]] = -1
        if good:
            stays[i] = True
            kept += 1
        if good or not among_kept:
            for place in range(begin, prefix):
                text_at[place] = i
                before[place] = last[values[place]]
                last[values[place]] = place
    return stays
