"""Compiled loops of MIG. Import it inside functions only: it loads numba.

Belongs here: the lazy greedy over labels. Does not: how the graph becomes a propagation matrix, validation (``mig``).

No row is ever expanded over the graph. The linear gain of a row is its quality times the sum, over its tags, of what
one unit of that tag is worth now (``worth``, one float per label), so a gain costs as many look-ups as the row has
tags, and the memory is that of the tags. A pick changes the slope of the labels it informs; the worth of the labels
that lead to those is computed again when somebody asks for it.
"""

import numpy as np

from datasel_assets.compiled import compiled


@compiled
def slope(x, power, offset, exponent):
    """Return the derivative of phi at ``x``: of (x + offset)^exponent, or of 1 - exp(-exponent x)."""
    if power:
        return exponent if exponent == 1.0 else exponent * (x + offset) ** (exponent - 1.0)
    return exponent * np.exp(-exponent * x)


@compiled
def _worth(label, worth, dirty, slopes, ptr, idx, val):
    """Return what one unit of ``label`` adds: the slopes of the labels it informs, weighted."""
    if dirty[label]:
        total = 0.0
        for k in range(ptr[label], ptr[label + 1]):
            total += val[k] * slopes[idx[k]]
        worth[label] = total
        dirty[label] = False
    return worth[label]


@compiled
def _linear(start, stop, labels, worth, dirty, slopes, ptr, idx, val):
    total = 0.0
    for k in range(start, stop):
        total += _worth(labels[k], worth, dirty, slopes, ptr, idx, val)
    return total


@compiled
def _value(x, power, offset, exponent):
    """Return phi(x) for a power, and 1 - phi(x) for the exponential: what :func:`_rise` starts from."""
    return (x + offset) ** exponent if power else np.exp(-exponent * x)


@compiled
def _rise(x, u, value, power, offset, exponent):
    """Return phi(x + u) - phi(x); for small ``u`` by its Taylor series, where the difference would cancel."""
    if not power:
        return -value * np.expm1(-exponent * u)
    ratio = u / (x + offset)
    if ratio > 1e-3:
        return (x + offset + u) ** exponent - value
    second = 0.5 * (exponent - 1.0) * ratio
    third = second * (exponent - 2.0) * ratio / 3.0
    fourth = third * (exponent - 3.0) * ratio / 4.0
    return value * exponent * ratio * (1.0 + second + third + fourth)


@compiled
def _exact(start, stop, labels, scale, x, values, power, offset, exponent, ptr, idx, val, sums, touched):
    """Return F(x + u) - F(x) of one row; ``sums`` is zero before and after."""
    count = 0
    for k in range(start, stop):
        for e in range(ptr[labels[k]], ptr[labels[k] + 1]):
            if sums[idx[e]] == 0.0:
                touched[count] = idx[e]
                count += 1
            sums[idx[e]] += val[e]
    gain = 0.0
    for c in range(count):
        b = touched[c]
        gain += _rise(x[b], scale * sums[b], values[b], power, offset, exponent)
        sums[b] = 0.0
    return gain


@compiled
def _before(gain, row, other_gain, other_row, ties):
    return gain > other_gain or (gain == other_gain and ties[row] < ties[other_row])


@compiled
def _sift_down(gains, rows, stamps, size, ties):
    gain, row, stamp = gains[0], rows[0], stamps[0]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and _before(gains[child + 1], rows[child + 1], gains[child], rows[child], ties):
            child += 1
        if not _before(gains[child], rows[child], gain, row, ties):
            break
        gains[place], rows[place], stamps[place] = gains[child], rows[child], stamps[child]
        place = child
    gains[place], rows[place], stamps[place] = gain, row, stamp


@compiled
def _sift_up(gains, rows, stamps, place, ties):
    gain, row, stamp = gains[place], rows[place], stamps[place]
    while place > 0:
        parent = (place - 1) // 2
        if not _before(gain, row, gains[parent], rows[parent], ties):
            break
        gains[place], rows[place], stamps[place] = gains[parent], rows[parent], stamps[parent]
        place = parent
    gains[place], rows[place], stamps[place] = gain, row, stamp


@compiled
def row_gains(tag_ptr, labels, scale, price, x, exact, power, offset, exponent, ptr, idx, val):
    """Return the gain over the price of each row (m,) float64 in the state ``x`` (labels,)."""
    size = len(x)
    slopes, values = np.empty(size), np.empty(size)
    for b in range(size):
        slopes[b] = slope(x[b], power, offset, exponent)
        values[b] = _value(x[b], power, offset, exponent)
    worth, dirty = np.empty(size), np.ones(size, np.bool_)
    sums, touched = np.zeros(size), np.empty(size, np.int64)
    gains = np.empty(len(scale))
    for i in range(len(scale)):
        start, stop = tag_ptr[i], tag_ptr[i + 1]
        if exact:
            gain = _exact(
                start, stop, labels, scale[i], x, values, power, offset, exponent, ptr, idx, val, sums, touched
            )
        else:
            gain = scale[i] * _linear(start, stop, labels, worth, dirty, slopes, ptr, idx, val)
        gains[i] = gain / price[i]
    return gains


@compiled
def lazy_greedy(
    budget, tag_ptr, labels, scale, price, first, ties, exact, power, offset, exponent, ptr, idx, val, back, into
):
    """Pick ``budget`` rows, each the one of largest gain per price; equal gains go to the smaller of ``ties``.

    ``tag_ptr`` and ``labels`` are the tags of the m rows (CSR), which stand in the order of ``first``, their gains (m,)
    in the empty state, falling, so that those which are looked at lie together; among equal gains ``ties`` (m,) rise.
    ``scale`` (m,) is the information that goes to each tag, ``price`` (m,) what a gain is divided by. ``exact`` takes
    F(x + u) - F(x) instead of its linearisation; ``power``, ``offset`` and ``exponent`` as in :func:`slope`. ``ptr``,
    ``idx`` and ``val`` are the propagation (CSR): how much of a label arrives where; ``back`` and ``into`` its
    transpose's structure: which labels lead to a label.

    Returns:
        rows (budget,), their gains when picked (budget,), the state (labels,).
    """
    size = len(ptr) - 1
    m = len(scale)
    x = np.zeros(size)
    slopes = np.full(size, slope(0.0, power, offset, exponent))
    values = np.full(size, _value(0.0, power, offset, exponent))
    worth, dirty = np.empty(size), np.ones(size, np.bool_)
    sums, touched = np.zeros(size), np.empty(size, np.int64)
    chosen, at = np.empty(budget, np.int64), np.empty(budget)
    # Rows from ``tail`` on have never been looked at again; the others that are left are in a heap, which stays small.
    heap_gains, heap_rows, heap_stamps = np.empty(m), np.empty(m, np.int64), np.empty(m, np.int64)
    heap = tail = 0
    for t in range(budget):
        while True:
            from_heap = heap > 0 and (tail == m or _before(heap_gains[0], heap_rows[0], first[tail], tail, ties))
            i = heap_rows[0] if from_heap else tail
            if t == 0 or (from_heap and heap_stamps[0] == t):
                chosen[t], at[t] = i, heap_gains[0] if from_heap else first[i]
                if from_heap:
                    heap -= 1
                    heap_gains[0], heap_rows[0], heap_stamps[0] = heap_gains[heap], heap_rows[heap], heap_stamps[heap]
                    _sift_down(heap_gains, heap_rows, heap_stamps, heap, ties)
                else:
                    tail += 1
                break
            start, stop = tag_ptr[i], tag_ptr[i + 1]
            if exact:
                gain = _exact(
                    start, stop, labels, scale[i], x, values, power, offset, exponent, ptr, idx, val, sums, touched
                )
            else:
                gain = scale[i] * _linear(start, stop, labels, worth, dirty, slopes, ptr, idx, val)
            gain /= price[i]
            if from_heap:
                heap_gains[0], heap_stamps[0] = gain, t
                _sift_down(heap_gains, heap_rows, heap_stamps, heap, ties)
            else:
                tail += 1
                heap_gains[heap], heap_rows[heap], heap_stamps[heap] = gain, i, t
                _sift_up(heap_gains, heap_rows, heap_stamps, heap, ties)
                heap += 1
        i = chosen[t]
        for k in range(tag_ptr[i], tag_ptr[i + 1]):
            for e in range(ptr[labels[k]], ptr[labels[k] + 1]):
                x[idx[e]] += scale[i] * val[e]
        for k in range(tag_ptr[i], tag_ptr[i + 1]):
            for e in range(ptr[labels[k]], ptr[labels[k] + 1]):
                b = idx[e]
                if exact:
                    values[b] = _value(x[b], power, offset, exponent)
                    continue
                # Never upwards, not even by rounding: that is what makes the lazy order exact.
                now = min(slopes[b], slope(x[b], power, offset, exponent))
                if now < slopes[b]:
                    slopes[b] = now
                    for c in range(back[b], back[b + 1]):
                        dirty[into[c]] = True
    return chosen, at, x
