"""The compiled priority queue of the lazy greedy. Import it inside functions only: it loads numba.

Belongs here: a binary heap of rows, the highest priority first and the lowest row among equals. Not: any objective.
"""

from datasel_assets.compiled import compiled


@compiled
def _before(priority, a, b):
    return priority[a] > priority[b] or (priority[a] == priority[b] and a < b)


@compiled
def _push(heap, size, priority, row):
    """Put ``row`` into the heap of ``size`` rows."""
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if not _before(priority, row, heap[above]):
            break
        heap[place] = heap[above]
        place = above
    heap[place] = row


@compiled
def _pop(heap, size, priority):
    """Take the first of ``size`` rows out of the heap."""
    first = heap[0]
    row = heap[size - 1]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size - 1:
            break
        if below + 1 < size - 1 and _before(priority, heap[below + 1], heap[below]):
            below += 1
        if not _before(priority, heap[below], row):
            break
        heap[place] = heap[below]
        place = below
    heap[place] = row
    return first


@compiled
def advance(heap, size, priority, stamp, now, rows, returned, wanted):
    """Put refreshed rows back and take out the next rows to refresh, or the row to pick.

    Args:
        heap: (n,) int64 rows, heap-ordered in ``heap[:size]``.
        size: how many rows are in the heap.
        priority: (n,) float64; for rows in the heap an upper bound of the priority now.
        stamp: (n,) int64: the number of picks when the priority was computed.
        now: the number of picks so far.
        rows: int64; ``rows[:returned]`` go back first, then it is filled with what is taken out.
        returned: how many rows go back.
        wanted: take out at most so many.

    Returns:
        The number of rows taken out, all of them not up to date; or 0 where the first row is up to date: it alone is
        taken out, and it is the best of all, because nothing in the heap can be above its upper bound.
    """
    for i in range(returned):
        _push(heap, size, priority, rows[i])
        size += 1
    taken = 0
    while taken < wanted and size > 0 and stamp[heap[0]] != now:
        rows[taken] = _pop(heap, size, priority)
        taken += 1
        size -= 1
    if taken == 0:
        rows[0] = _pop(heap, size, priority)
    return taken
