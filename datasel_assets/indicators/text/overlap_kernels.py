"""Compiled loops over pairs of texts. Import it inside functions only: it loads numba.

Belongs here: similarity of pairs of rows of numbers. Does not: strings, sets of texts. In every function ``left`` and
``right`` (p,) say which rows of the references (a) and of the candidates (b) are compared.
"""

import numpy as np

from datasel_assets.compiled import compiled

_ONE, _ZERO = np.uint64(1), np.uint64(0)


@compiled
def jaccard(a_ids, a_offsets, b_ids, b_offsets, left, right, size):
    """Return shared distinct values over all distinct values of each pair, float64 (p,)."""
    found = np.full(len(left), np.nan)
    in_a, in_b = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    for pair in range(len(left)):
        types_a, types_b, shared = 0, 0, 0
        for place in range(a_offsets[left[pair]], a_offsets[left[pair] + 1]):
            if in_a[a_ids[place]] != pair:
                in_a[a_ids[place]] = pair
                types_a += 1
        for place in range(b_offsets[right[pair]], b_offsets[right[pair] + 1]):
            if in_b[b_ids[place]] != pair:
                in_b[b_ids[place]] = pair
                types_b += 1
                shared += in_a[b_ids[place]] == pair
        if types_a > 0 and types_b > 0:
            found[pair] = shared / (types_a + types_b - shared)
    return found


@compiled
def _common_subsequence(a, b, number):
    """Return the length of the longest common subsequence, by 64 cells of the table at once (Hyyro 2004).

    ``number`` is scratch of -1 for every value, and is left so.
    """
    types = 0
    for value in a:
        if number[value] < 0:
            number[value] = types
            types += 1
    blocks = (len(a) + 63) // 64
    where = np.zeros((types, blocks), np.uint64)
    for place in range(len(a)):
        where[number[a[place]], place // 64] |= _ONE << np.uint64(place % 64)
    state = np.full(blocks, ~_ZERO)
    for value in b:
        if number[value] < 0:
            continue
        carry = _ZERO
        for block in range(blocks):
            before = state[block]
            met = before & where[number[value], block]
            total = before + met
            over = _ONE if total < before else _ZERO
            total += carry
            carry = _ONE if total < carry else over
            state[block] = total | (before - met)
    length = 0
    for block in range(blocks):
        clear = ~state[block]
        while clear != _ZERO:
            clear &= clear - _ONE
            length += 1
    for value in a:
        number[value] = -1
    return length


@compiled
def rouge_l(a_ids, a_offsets, b_ids, b_offsets, left, right, size):
    """Return the F measure of the longest common subsequence of each pair, float64 (p,)."""
    found = np.full(len(left), np.nan)
    number = np.full(size, -1, np.int64)
    for pair in range(len(left)):
        a = a_ids[a_offsets[left[pair]] : a_offsets[left[pair] + 1]]
        b = b_ids[b_offsets[right[pair]] : b_offsets[right[pair] + 1]]
        if len(a) == 0 or len(b) == 0:
            continue
        length = _common_subsequence(a, b, number)
        precision, recall = length / len(b), length / len(a)
        found[pair] = 2 * precision * recall / (precision + recall) if length > 0 else 0.0
    return found


@compiled
def shared(a_ids, a_offsets, b_ids, b_offsets, left, right, size):
    """Return how many values of each candidate its reference has, too, each at most as often, int64 (p,)."""
    found = np.zeros(len(left), np.int64)
    counts = np.zeros(size, np.int64)
    for pair in range(len(left)):
        begin, end = a_offsets[left[pair]], a_offsets[left[pair] + 1]
        for place in range(begin, end):
            counts[a_ids[place]] += 1
        for place in range(b_offsets[right[pair]], b_offsets[right[pair] + 1]):
            if counts[b_ids[place]] > 0:
                counts[b_ids[place]] -= 1
                found[pair] += 1
        for place in range(begin, end):
            counts[a_ids[place]] = 0
    return found
