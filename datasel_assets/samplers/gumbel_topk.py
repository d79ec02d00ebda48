"""The rows with the best score, with a temperature between the exact ranking and a weighted draw.

Belongs here: score + tau * Gumbel noise, its order, and the weights that make a weighted sum over the chosen rows an
estimate of the sum over the pool. Does not: which column is the score and which way round it is (``recipes.scores``
turns "keep low" into a score to be maximised), cuts by value (drop rules, ``band``).
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"scores"})
RANKS_ALL = True


class Params(StrictModel, frozen=True):
    """Which column ranks the rows, and how strictly.

    Attributes:
        by: a column of the pool, or ``<family>.<indicator>``.
        keep: ``high`` or ``low`` values first, ``mid``: those nearest to the median; ``auto``: what the indicator
            declares.
        tau: temperature. 0 takes the best rows; larger values draw without replacement with probability proportional
            to exp(score / tau), one row after the other (exact successive sampling). DSIR uses 1, QuRating 2.
            Sensitivity sampling is 1 with the logarithm of the sensitivity as the score.
        replace: draw with replacement. The rows and their order follow the same law; how often each one was drawn goes
            into the weights.
        weights: ``none``: equal weights, or with ``replace`` how often the row was drawn; ``unbiased``: the sum of
            weight * f over the chosen rows has the pool's sum of f as its expectation; ``normalised``: the same,
            scaled so that the weights sum to the number of usable rows (a little bias, much less variance).
    """

    by: str
    keep: Literal["auto", "high", "low", "mid"] = "auto"
    tau: Annotated[float, Field(ge=0)] = 0.0
    replace: bool = False
    weights: Literal["none", "unbiased", "normalised"] = "none"

    @model_validator(mode="after")
    def _random(self) -> "Params":
        if self.tau == 0 and (self.replace or self.weights != "none"):
            raise ValueError("'replace' and 'weights' belong to a random draw: set 'tau' above 0")
        return self

    @property
    def weighted(self) -> bool:
        """Whether the rows come with weights."""
        return self.replace or self.weights != "none"

    @property
    def wording(self) -> Wording:
        """How a place is put in words: by the score, and that it was drawn where it was."""
        drawn = f", drawn at temperature {self.tau:g} (seed {{seed}})" if self.tau > 0 else ""
        return Wording(" by {by} ({value})" + drawn)

    @property
    def ranks_all(self) -> bool:
        """Whether a longer order leaves what was said of its beginning as it was: weights depend on the budget."""
        return not self.weighted


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Take the rows with the largest score + tau * Gumbel(row_id, seed); ties by row_id.

    Adding Gumbel noise and taking the top b is the same as drawing b rows without replacement from softmax(score/tau)
    (Vieira 2014; Kool et al. 2019, arXiv 1903.06059). The noise of a row depends on nothing but its id and the seed, so
    the order is the same for any layout of the pool, and a smaller budget is a prefix (its weights are its own).

    With replacement the draw goes on until one row more than the budget has been seen; that row is left out. The number
    of rows is then exact, and the distinct rows in the order of their first draw are the rows above. With p =
    softmax(score / tau), the weights are

    - without replacement 1 / (1 - exp(-exp(log p_i - kappa))), kappa the (b + 1)-th largest log p + Gumbel (Kool et
      al., section 4). 1 / (b p_i), the weight of draws with replacement, would be biased here;
    - with replacement c_i / (r p_i), c_i the draws of row i and r all draws (Pathak, Biometrika 51, 1964: as the draws
      before the last are exchangeable, the mean of f / p over them is unbiased).

    A budget of the whole pool gives weights of 1.

    Args:
        candidates: ``scores``, to be maximised; NaN rows are not chosen.
        budget: number of rows.
        params: the temperature and the weights; the other keys are read by whoever fills ``scores``.
        seed: which draw; without effect when ``tau`` is 0.

    Raises:
        ValueError: a score is infinite where weights or repetitions are asked for.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    scores = np.asarray(candidates.scores, dtype=np.float64)[rows]
    keys = scores + params.tau * gumbel(candidates.row_ids[rows], seed) if params.tau > 0 else scores
    order = np.lexsort((candidates.ties[rows], -keys))
    weights = None
    if params.weighted:
        if not np.isfinite(scores).all():
            raise ValueError(f"{int((~np.isfinite(scores)).sum())} scores are infinite: such rows have no weight")
        weights = _repetitions if params.replace else _inclusions
        weights = weights(scores[order] / params.tau, keys[order] / params.tau, budget, params, seed)
    order = order[:budget]
    return Sample.of(rows[order], scores=scores[order], weights=weights)


def _inclusions(logits: np.ndarray, keys: np.ndarray, budget: int, params: Params, seed: int) -> np.ndarray:
    """Return the weights (b,) of a draw without replacement; ``logits`` and ``keys`` (n,) in the order of the draw."""
    if budget >= len(keys):
        return np.ones(len(keys))
    above = np.clip(logits[:budget] - keys[budget], -700, 700)  # the normaliser of p cancels
    return _scaled(-1 / np.expm1(-np.exp(above)), len(keys), params)


def _repetitions(logits: np.ndarray, keys: np.ndarray, budget: int, params: Params, seed: int) -> np.ndarray:
    """Return the weights (b,) of a draw with replacement; ``logits`` and ``keys`` (n,) in the order of the draw.

    Given the order, the draws between the first of row j and the first of row j + 1 fall on the rows up to j: their
    number is geometric, and they split by p. So no draw has to be made one by one.
    """
    if budget >= len(keys):
        return np.ones(len(keys))  # no row more than the budget can ever be seen: the pool itself is the sample
    p = np.exp(logits - logits.max())
    p /= p.sum()
    unseen = np.maximum(np.cumsum(p[::-1])[::-1][1 : budget + 1], np.finfo(np.float64).tiny)
    seen = np.cumsum(p[:budget])
    generator = np.random.default_rng([seed & 0xFFFF_FFFF_FFFF_FFFF, budget])
    # 1e15 repetitions are as good as any more: their shares no longer change.
    again = np.minimum(np.floor(np.log(generator.random(budget)) / np.log1p(-np.minimum(unseen, 1 - 1e-16))), 1e15)
    drawn = np.ones(budget)
    waiting = 0
    for j in range(budget - 1, -1, -1):
        waiting = min(waiting + int(again[j]), 1 << 60)
        here = waiting if j == 0 else int(generator.binomial(waiting, min(p[j] / seen[j], 1.0)))
        drawn[j] += here
        waiting -= here
    if params.weights == "none":
        return drawn
    return _scaled(drawn / (drawn.sum() * np.maximum(p[:budget], np.finfo(np.float64).tiny)), len(keys), params)


def _scaled(weights: np.ndarray, n: int, params: Params) -> np.ndarray:
    return weights * (n / weights.sum()) if params.weights == "normalised" and len(weights) else weights


def gumbel(row_ids: np.ndarray, seed: int) -> np.ndarray:
    """Return standard Gumbel noise -log(-log u) (n,), u in (0, 1) from the hash of (row_id, seed)."""
    uniform = ((hash_keys(row_ids, seed) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return -np.log(-np.log(uniform))
