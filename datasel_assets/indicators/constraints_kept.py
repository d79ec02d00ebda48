"""How many of the verifiable demands of a question its answer keeps to, as LASER counts them.

Belongs here: the score. Does not: finding and checking demands (``verify.constraints``).
"""

import math
from collections.abc import Sequence

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import ScoreKind
from datasel_assets.indicators.verify.constraints import demands_of
from datasel_assets.indicators.verify.exchange import Exchange
from datasel_assets.specs.score import ConstraintsKeptSpec


@indicator(keep="high", bounds=(0, 9), source="LASER (arXiv 2505.22157), instruction following by rules", version="2")
def constraints_kept(rows: Sequence[Sequence[Exchange]]) -> np.ndarray:
    """The verifiable demands that an answer keeps to, in LASER's count: many of them count for more than few.

    Of m demands k are kept: (k / m) k for 0 < k < 10, else k / m; mean over the exchanges that make demands, and NaN
    where none does. The demands are those of ``verify.constraints_missed``.

    Args:
        rows: exchanges of n conversations.
    """
    return np.array([_mean([_kept(exchange) for exchange in row]) for row in rows], np.float64)


def score_of_kept(kept: int, demanded: int) -> float:
    """Return (k / m) k for 0 < k < 10, else k / m; NaN without demands.

    >>> score_of_kept(3, 4), score_of_kept(10, 10)
    (2.25, 1.0)
    """
    if not demanded:
        return math.nan
    share = kept / demanded
    return share * kept if 0 < kept < 10 else share


def _kept(exchange: Exchange) -> float:
    found = demands_of(exchange)
    return score_of_kept(sum(demand.met(exchange.answer.strip()) for demand in found), len(found))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


KIND = ScoreKind(
    name="constraints_kept",
    ways=("constraints_kept",),
    spec=ConstraintsKeptSpec,
    keep=constraints_kept.keep,
    per="source",
    indicator=constraints_kept,
    about=lambda spec: "The verifiable demands of each question that its answer keeps to.",
    made_when_read=True,
)
"""The kind of the files with ``how: constraints_kept``."""
