"""How well effects foretell trainings that they were not worked out from.

Belongs here: cross-validation of an estimator over subsets. Does not: scores of rows (``diagnostics.lds``).
"""

from dataclasses import replace

import numpy as np

from datasel_assets.runs.estimators import WITHOUT_ERRORS, Estimator
from datasel_assets.runs.observed import Observed, RunsError

FOLDS = 5


def foretold(estimator: Estimator, observed: Observed, natural: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return (q,) Spearman's correlation of outcomes with the sum of the effects of what was in.

    A fifth of the subsets at a time is foretold by effects that the others gave. NaN where the others are too few for
    the estimator, or an outcome never varies.

    Args:
        estimator: its name.
        observed: the trainings.
        natural: (k,) share of each unit in the pool.
        seed: of the folds.
    """
    from scipy.stats import rankdata

    s, q = observed.outcomes.shape
    features = observed.shares if observed.mixed else observed.masks.astype(np.float64)
    ranks = np.full((2, s, q), np.nan)
    folds = np.array_split(np.random.default_rng([seed, 8]).permutation(s), min(FOLDS, s))
    for left_out in folds:
        kept = np.setdiff1d(np.arange(s), left_out)
        some = replace(
            observed,
            shares=observed.shares[kept],
            inclusion=observed.inclusion[kept],
            outcomes=observed.outcomes[kept],
        )
        try:
            effects = WITHOUT_ERRORS[estimator](some, natural).values
        except RunsError:
            return np.full(q, np.nan)
        # Ranks within a fold, because folds differ by what the mean of the others happens to be.
        ranks[0, left_out] = rankdata(features[left_out] @ effects, axis=0)
        ranks[1, left_out] = rankdata(observed.outcomes[left_out], axis=0)
    for left_out in folds:
        ranks[:, left_out] -= ranks[:, left_out].mean(axis=1, keepdims=True)
    spread = np.sqrt((ranks[0] ** 2).sum(axis=0) * (ranks[1] ** 2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (ranks[0] * ranks[1]).sum(axis=0) / spread, np.nan)
