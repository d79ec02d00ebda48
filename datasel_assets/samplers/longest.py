"""The longest rows first, the second baseline arm: hard to beat and cheap (arXiv 2402.04833).

Belongs here: top rows by a length column. Does not: computing lengths.
"""

from typing import Literal

import numpy as np

from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"scores"})
RANKS_ALL = True
WORDING = Wording(" by {by} ({count})")

LengthColumn = Literal["n_response_tokens", "response_chars", "n_tokens", "n_chars", "prompt_chars", "n_turns"]


class Params(StrictModel, frozen=True):
    """Which length counts.

    Attributes:
        by: a column of the pool.
    """

    by: LengthColumn = "n_response_tokens"


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Take the rows with the largest score; ties by row_id.

    Args:
        candidates: ``scores`` is the length column; NaN rows (length not known) are not chosen.
        budget: number of rows.
        params: read by whoever fills ``scores``.
        seed: not used; the method is not random.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    scores = np.asarray(candidates.scores, dtype=np.float64)[rows]
    order = np.lexsort((candidates.ties[rows], -scores))[:budget]
    return Sample.of(rows[order], scores=scores[order])
