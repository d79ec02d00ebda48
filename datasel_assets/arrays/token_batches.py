"""Which rows run together in one forward pass.

Rows are taken longest first, so that rows of like length meet, the most expensive batch comes first (it finds out
about memory, and it is not the straggler of a parallel run), and the plan depends on the lengths alone.
"""

import numpy as np

PADDING_TOLERANCE = 0.05
SMALL_BATCH = 1 / 8


def plan_packed(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Return batches of at most ``budget`` real tokens (or of one row), for a model without padding.

    Args:
        lengths: (n,) tokens of each row; rows of length 0 are in no batch.
        budget: tokens.

    Returns:
        Arrays of row indices, longest row first; ties in row order.
    """
    return _plan(lengths, budget, padded=False)


def plan_padded(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Return batches of at most ``budget`` tokens, padding included (or of one row).

    A batch ends where a row is more than 5 % shorter than its longest row, unless the batch is still under an eighth
    of the budget: there the fixed cost of a forward pass outweighs the padding.
    """
    return _plan(lengths, budget, padded=True)


def packed_cost(lengths: np.ndarray) -> int:
    """Return how many tokens a batch of rows of these lengths puts through a model without padding."""
    return int(lengths.sum())


def padded_cost(lengths: np.ndarray) -> int:
    """Return the same where each row is padded to the longest."""
    return int(lengths.max()) * len(lengths)


def _plan(lengths: np.ndarray, budget: int, *, padded: bool) -> list[np.ndarray]:
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    order = order[lengths[order] > 0]
    sorted_lengths = lengths[order].tolist()
    batches = []
    start = tokens = 0
    for i, length in enumerate(sorted_lengths):
        longest = sorted_lengths[start]
        cost = (i - start + 1) * longest if padded else tokens + length
        uneven = padded and length < (1 - PADDING_TOLERANCE) * longest and cost > SMALL_BATCH * budget
        if i > start and (cost > budget or uneven):
            batches.append(order[start:i])
            start, tokens = i, 0
        tokens += length
    if len(order):
        batches.append(order[start:])
    return batches
