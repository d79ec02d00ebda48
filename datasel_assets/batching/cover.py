"""Set cover: few sets, or cheap ones, that together hold everything that can be held.

Belongs here: the greedy algorithm. At most ln n + 1 times as dear as the cheapest cover (Chvatal 1979).
"""

import heapq
from collections.abc import Sequence

import numpy as np


def greedy_cover(sets: Sequence[np.ndarray], n: int, weights: np.ndarray | None = None) -> list[int]:
    """Return sets, in the order of choice, that cover every item which some set has.

    The next one is that with the smallest weight per item that is new, the first of equals. A price is looked at again
    only when it comes to the top of a heap: prices never fall, so that what is still on top then is the cheapest.

    Args:
        sets: items of each set, 0..n-1, each once.
        n: items.
        weights: what each set costs, above 0; None: 1.
    """
    cost = np.ones(len(sets)) if weights is None else np.asarray(weights, np.float64)
    is_open = np.ones(n, bool)
    heap = [(float(cost[one]) / len(items), one) for one, items in enumerate(sets) if len(items)]
    heapq.heapify(heap)
    chosen = []
    while heap:
        told, one = heapq.heappop(heap)
        gain = int(is_open[sets[one]].sum())
        if not gain:
            continue
        price = float(cost[one]) / gain
        if price > told:
            heapq.heappush(heap, (price, one))
            continue
        chosen.append(one)
        is_open[sets[one]] = False
    return chosen
