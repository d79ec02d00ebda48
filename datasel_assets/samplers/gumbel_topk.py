"""The rows with the best score, with a temperature between the exact ranking and a weighted draw.

Belongs here: score + tau * Gumbel noise, and its order. Does not: which column is the score and which way round it is
(``recipes.scores`` turns "keep low" into a score to be maximised), cuts by value (drop rules).
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from datasel_assets.clusters.hash_sample import hash_keys
from datasel_assets.samplers.base import Candidates, Sample, check_budget, usable_rows
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"scores"})
RANKS_ALL = True


class Params(StrictModel):
    """Which column ranks the rows, and how strictly.

    Attributes:
        by: a column of the pool, or ``<family>.<indicator>``; whoever builds the candidates puts it into ``scores``.
        keep: ``high`` or ``low`` values first, ``mid``: those nearest to the median; ``auto``: what the indicator
            declares.
        tau: temperature. 0 takes the best rows; larger values draw without replacement with probability proportional
            to exp(score / tau), one row after the other (exact successive sampling). DSIR uses 1, QuRating 2.
    """

    by: str
    keep: Literal["auto", "high", "low", "mid"] = "auto"
    tau: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Take the rows with the largest score + tau * Gumbel(row_id, seed); ties by row_id.

    Adding Gumbel noise and taking the top b is the same as drawing b rows without replacement from softmax(score/tau)
    (Vieira 2014; Kool et al. 2019, arXiv 1903.06059). The noise of a row depends on nothing but its id and the seed, so
    the order is the same for any layout of the pool, and a smaller budget is a prefix.

    Args:
        candidates: ``scores``, to be maximised; NaN rows are not chosen.
        budget: number of rows.
        params: ``tau``; the other keys are read by whoever fills ``scores``.
        seed: which draw; without effect when ``tau`` is 0.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    scores = np.asarray(candidates.scores, dtype=np.float64)[rows]
    keys = scores + params.tau * gumbel(candidates.row_ids[rows], seed) if params.tau > 0 else scores
    order = np.lexsort((candidates.ties[rows], -keys))[:budget]
    return Sample.of(rows[order], scores=scores[order])


def gumbel(row_ids: np.ndarray, seed: int) -> np.ndarray:
    """Return standard Gumbel noise -log(-log u) (n,), u in (0, 1) from the hash of (row_id, seed)."""
    uniform = ((hash_keys(row_ids, seed) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return -np.log(-np.log(uniform))
