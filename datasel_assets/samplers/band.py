"""The rows whose score lies in a band: not the easiest, not the hardest, or simply above a mark.

Belongs here: which rows are in the band, and their order. Does not: the score (an indicator), drop rules (they say the
same of the pool before any sampler, without an order).
"""

from typing import Literal

import numpy as np
from pydantic import model_validator

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"scores"})
RANKS_ALL = True
WORDING = Wording(by_score=False)

_GRAIN = 1e-9  # 0.29 * 100 is 28.999999999999996


class Params(StrictModel, frozen=True):
    """Which band, and which of its rows come first.

    Attributes:
        by: a column of the pool, or ``<family>.<indicator>``, as it stands there: larger values are not "better".
        low: lower bound, included; None: no bound.
        high: upper bound, left out; None: no bound.
        unit: ``value``: the bounds are scores; ``percentile``: shares from 0 to 1 of the usable rows, by rank, ties by
            row_id. Inside ``stratify`` those of the group.
        first: order in the band: ``random`` (by seed), ``high`` or ``low`` scores, ``middle``: closest to the middle of
            the band (its middle value; by rank where a bound is missing or the unit is ``percentile``), or ``even``:
            any first rows lie evenly over the ranks of the band.
    """

    by: str
    low: float | None = None
    high: float | None = None
    unit: Literal["value", "percentile"] = "value"
    first: Literal["random", "high", "low", "middle", "even"] = "random"

    @property
    def may_fall_short(self) -> bool:
        """Rows outside the band are not usable, so fewer rows than the budget may come back."""
        return True

    @model_validator(mode="after")
    def _a_band(self) -> "Params":
        if self.low is None and self.high is None:
            raise ValueError("give 'low', 'high' or both (topk takes the best rows without a bound)")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}: no row can lie in the band")
        bounds = [x for x in (self.low, self.high) if x is not None]
        if self.unit == "percentile" and not all(0 <= x <= 1 for x in bounds):
            raise ValueError("percentiles are shares from 0 to 1: 0.25 for a quarter")
        return self


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Take rows with ``low <= score < high`` (survey Eq 7 and 8, with one convention for both; errata).

    By percentile, these are the usable rows of rank ``floor(low * m)`` up to but without ``floor(high * m)`` among m:
    exactly that many however many scores tie, neighbouring bands share no row, and nested bands are nested.

    Args:
        candidates: ``scores``; NaN rows are not chosen.
        budget: number of rows; at most those in the band come back.
        params: the band.
        seed: which order, for ``first: random``.

    Returns:
        The order; ``scores`` are the rows' scores.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    scores = np.asarray(candidates.scores, dtype=np.float64)[rows]
    ties = candidates.ties[rows]
    ascending = np.lexsort((ties, scores))
    if params.unit == "percentile":
        low, high = params.low or 0.0, 1.0 if params.high is None else params.high
        start, stop = int(len(rows) * low + _GRAIN), int(len(rows) * high + _GRAIN)
    else:
        start, stop = (
            len(rows) * side if x is None else int(np.searchsorted(scores[ascending], x))
            for side, x in enumerate((params.low, params.high))
        )
    inside = ascending[start:stop]
    if params.first == "random":
        inside = inside[np.lexsort((ties[inside], hash_keys(candidates.row_ids[rows[inside]], seed)))]
    elif params.first == "high":
        inside = inside[np.lexsort((ties[inside], -scores[inside]))]
    elif params.first == "middle":
        inside = inside[np.lexsort((ties[inside], _off_middle(params, scores[inside])))]
    elif params.first == "even":
        inside = inside[_spread(len(inside))]
    inside = inside[:budget]
    return Sample.of(rows[inside], scores=scores[inside])


def _spread(n: int) -> np.ndarray:
    """Return 0 .. n - 1 in an order of which every beginning lies evenly: bits reversed (van der Corput 1935).

    >>> _spread(8).tolist()
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    bits = max(n - 1, 0).bit_length()
    places, left = np.zeros(1 << bits, np.int64), np.arange(1 << bits)
    for _ in range(bits):
        places, left = places << 1 | left & 1, left >> 1
    # Shrunk to n and not cut off at it: what is left out lies evenly too.
    order = (places * n >> bits)[: n << bits]
    _, first = np.unique(order, return_index=True)
    return order[np.sort(first)]


def _off_middle(params: Params, scores: np.ndarray) -> np.ndarray:
    """Return how far each of the band's rows, ascending by score, lies from its middle."""
    if params.unit == "value" and params.low is not None and params.high is not None:
        return np.abs(scores - (params.low + params.high) / 2)
    return np.abs(np.arange(len(scores)) - (len(scores) - 1) / 2)
