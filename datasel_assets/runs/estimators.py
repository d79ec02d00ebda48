"""The estimators by the names that files use, which suit which design, and running one.

Belongs here: the list. Does not: any estimator (one file each beside this one).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_args

import numpy as np

from datasel_assets.runs.lasso import ame, lasso
from datasel_assets.runs.least_squares import ols
from datasel_assets.runs.observed import Effects, Observed
from datasel_assets.runs.semivalues import banzhaf, beta_shapley, difference_of_means, shapley

Estimator = Literal["ols", "lasso", "difference_of_means", "ame", "banzhaf", "beta_shapley", "shapley"]
Estimate = Callable[[Observed, np.ndarray], Effects]

ESTIMATORS: Mapping[Estimator, Estimate] = {
    "ols": ols,
    "lasso": lasso,
    "difference_of_means": difference_of_means,
    "ame": ame,
    "banzhaf": banzhaf,
    "beta_shapley": beta_shapley,
    "shapley": shapley,
}

WITHOUT_ERRORS: Mapping[Estimator, Estimate] = {
    **ESTIMATORS,
    "lasso": partial(lasso, resamples=0),
    "ame": partial(ame, resamples=0),
}
"""The same effects, faster, where their standard errors are not asked for."""

OF_DESIGN: Mapping[str, tuple[Estimator, ...]] = {
    "leave_one_out": ("ols",),
    "dirichlet": ("ols", "lasso"),
    "random": get_args(Estimator),
}
"""Design -> the estimators that can be asked of its trainings; some of them need enough subsets besides."""

MEANINGS: Mapping[Estimator, str] = {
    "ols": "datamodel by least squares",
    "lasso": "datamodel by lasso",
    "difference_of_means": "mean with the unit less mean without it",
    "ame": "average marginal effect by lasso",
    "banzhaf": "Banzhaf value",
    "beta_shapley": "Beta(16, 1)-Shapley value",
    "shapley": "Shapley value",
}
