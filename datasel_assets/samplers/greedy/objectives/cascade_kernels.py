"""Compiled walks over live edges. Import it inside functions only: it loads numba."""

from datasel_assets.compiled import compiled


@compiled
def reach(starts, targets, active, row, seen, stamp, found):
    """Return how many rows become active with ``row``, and write them to ``found``.

    The rows reached from active rows are active themselves, so the walk ends at these.
    """
    if active[row]:
        return 0
    found[0] = row
    seen[row] = stamp
    count, done = 1, 0
    while done < count:
        here = found[done]
        done += 1
        for place in range(starts[here], starts[here + 1]):
            other = targets[place]
            if not active[other] and seen[other] != stamp:
                seen[other] = stamp
                found[count] = other
                count += 1
    return count


@compiled
def reach_all(starts, targets, active, rows, seen, stamp, found, counts):
    """counts[a] = sum over the graphs of ``reach`` of rows[a]. Return the last stamp; ``stamp`` is the one before."""
    for a in range(len(rows)):
        total = 0
        for graph in range(len(starts)):
            stamp += 1
            total += reach(starts[graph], targets, active[graph], rows[a], seen, stamp, found)
        counts[a] = total
    return stamp


@compiled
def activate(starts, targets, active, row, seen, stamp, found):
    """Make active what ``row`` reaches in each graph. Return the last stamp."""
    for graph in range(len(starts)):
        stamp += 1
        for place in range(reach(starts[graph], targets, active[graph], row, seen, stamp, found)):
            active[graph, found[place]] = True
    return stamp
