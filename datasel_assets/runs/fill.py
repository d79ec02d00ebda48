"""Which rows a training reads, given the share of its tokens that each unit has.

Belongs here: from shares to rows, with repetitions. Does not: shares (``designs``), what is done with rows.
"""

from collections.abc import Sequence

import numpy as np


def fill(members: Sequence[np.ndarray], lengths: np.ndarray, shares: np.ndarray, tokens: int, seed: int) -> np.ndarray:
    """Return rows that hold about ``tokens`` tokens together, of each unit its share.

    A unit gives its rows in an order of its own, again from the first when it has given all. The order follows from
    the seed and the unit alone, so trainings of one seed differ by their shares as little as they can. What a unit
    gives too much or too little because rows are whole is made up for by the next one.

    Args:
        members: k arrays of rows.
        lengths: (n,) tokens of each row, at least 1 for the rows of a unit.
        shares: (k,) adding up to 1; all 0: no rows.
        tokens: in all.
        seed: of the orders.

    Returns:
        (r,) int64 rows, those that come several times once for each.
    """
    taken: list[np.ndarray] = []
    owed = 0.0
    for unit in np.random.default_rng([seed, 3]).permutation(len(members)):
        own = members[unit]
        if not shares[unit] or not len(own):
            continue
        order = own[np.random.default_rng([seed, 4, int(unit)]).permutation(len(own))]
        wanted = owed + float(shares[unit]) * tokens
        ends = np.cumsum(lengths[order])
        rounds, rest = divmod(max(wanted, 0.0), float(ends[-1]))
        # The number of rows whose sum is nearest to what is left.
        more = int(np.searchsorted(ends - lengths[order] / 2, rest))
        found = np.concatenate([np.tile(order, int(rounds)), order[:more]])
        owed = wanted - float(lengths[found].sum())
        taken.append(found)
    return np.concatenate(taken).astype(np.int64) if taken else np.empty(0, np.int64)
