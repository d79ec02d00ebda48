"""Uniform random choice, the baseline arm of every comparison.

Belongs here: the order by a seeded hash of the row id. Does not: the hash itself (``arrays.hash_sample``).
"""

import numpy as np

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset()
RANKS_ALL = True
WORDING = Wording(" in random order (seed {seed})")


class Params(StrictModel, frozen=True):
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
    order = np.lexsort((candidates.ties[rows], hash_keys(candidates.row_ids[rows], seed)))
    return Sample.of(rows[order[:budget]])
