"""Uniform random choice, the baseline arm of every comparison.

Belongs here: the per-row key and the order by it. Does not: weighted sampling.
"""

import numpy as np

from datasel_assets.samplers.base import Candidates, Sample, check_budget, usable_rows
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset()
RANKS_ALL = True

_BLOCK = 1 << 16


class Params(StrictModel):
    """The random sampler has nothing to set but the recipe's seed."""


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Order the rows by a hash of (row_id, seed) and take the first.

    A row's key depends on nothing but its id and the seed, so adding rows to the pool only slips them in between:
    the order of the old ones stays, and the same seed gives the same rows on any machine, shard layout or library
    version.

    Args:
        candidates: ``row_ids`` and ``eligible`` are read.
        budget: number of rows.
        params: nothing to set.
        seed: which of the random orders.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    order = np.lexsort((candidates.ties[rows], row_keys(candidates.row_ids[rows], seed)))
    return Sample.of(rows[order[:budget]])


def row_keys(row_ids: np.ndarray, seed: int) -> np.ndarray:
    """Return a uniform uint64 per row id: FNV-1a over the characters, then SplitMix64 with the seed.

    Args:
        row_ids: (n,) numpy string array; the width of its dtype does not matter.
        seed: any integer.

    Returns:
        (n,) uint64.
    """
    ids = np.ascontiguousarray(row_ids, dtype=np.str_)
    keys = np.full(len(ids), 0xCBF29CE484222325, dtype=np.uint64)
    if len(ids):
        codes = ids.view(np.uint32).reshape(len(ids), -1)
        for start in range(0, len(ids), _BLOCK):
            part = keys[start : start + _BLOCK]
            for column in codes[start : start + _BLOCK].T:
                # A numpy string is padded with zero characters up to the width of its dtype; they must not count.
                np.copyto(part, (part ^ column) * np.uint64(0x100000001B3), where=column != 0)
    salt = _splitmix64(np.array([seed % 2**64], dtype=np.uint64))
    return _splitmix64(_splitmix64(keys) ^ salt)


def _splitmix64(x: np.ndarray) -> np.ndarray:
    """The SplitMix64 finaliser (Steele et al., 2014): a bijection of 64-bit words that mixes every bit."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
