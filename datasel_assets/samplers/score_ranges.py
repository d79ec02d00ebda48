"""As many rows from every range of a score, however many rows lie there.

Belongs here: the ranges and the draw. Does not: the score, quotas over labels that rows have already (``stratify``), a
single band (``band``).
"""

import numpy as np
from pydantic import Field

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.quotas import take_turns
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"scores"})
RANKS_ALL = True
WORDING = Wording(", drawn from its range of {by} ({figures})", by_score=False)


class Params(StrictModel, frozen=True):
    """Which score, and into how many ranges it is cut.

    Attributes:
        by: a column of the pool, or ``<family>.<indicator>``.
        ranges: between the lowest and the highest score, of equal width.
    """

    by: str
    ranges: int = Field(default=50, ge=1, le=100_000)


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Draw rows at random from every range of the score in turn (DEALRec, arXiv 2401.17197, Algorithm 1).

    A range that has no more rows leaves its turns to the others, so sparse ranges, usually those of the best and of the
    worst scores, are taken whole before crowded ones give more than their share.

    Args:
        candidates: ``scores``; NaN rows are not chosen.
        budget: number of rows.
        params: score and ranges.
        seed: of the draw.

    Returns:
        The order; ``scores`` are the rows' scores.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    scores = np.asarray(candidates.scores, dtype=np.float64)[rows]
    if not len(rows):
        return Sample.of(np.empty(0, np.int64))
    low, high = np.nanmin(scores), np.nanmax(scores)
    place = np.zeros(len(rows)) if high == low else (scores - low) / (high - low) * params.ranges
    own = np.minimum(place.astype(np.int64), params.ranges - 1)
    keys = hash_keys(candidates.row_ids[rows], seed)
    order = np.lexsort((candidates.ties[rows], keys, own))
    labels, starts, sizes = np.unique(own[order], return_index=True, return_counts=True)
    turns = take_turns(np.ones(len(labels)), sizes, budget)
    taken = np.empty(len(turns), np.int64)
    for group, start in enumerate(starts):
        mine = np.flatnonzero(turns == group)
        taken[mine] = order[start : start + len(mine)]
    return Sample.of(rows[taken], scores=scores[taken])
