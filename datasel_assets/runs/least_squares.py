"""Effects by linear regression of outcomes on what was in: datamodels by least squares (Ilyas et al. 2022, section 2).

Belongs here: ordinary least squares, its standard errors. Does not: regression that leaves units out (``lasso``).
"""

import numpy as np

from datasel_assets.runs.observed import Effects, Observed, RunsError


def ols(observed: Observed, natural: np.ndarray) -> Effects:
    """Return effects by ordinary least squares.

    Of subsets: outcome = a + sum_i b_i [i in S], and the effect of unit i is b_i, what its presence adds while the
    tokens stay as many. Of shares: outcome = sum_i b_i w_i, and the effect is b_i - sum_j n_j b_j: what a training on
    this unit alone would add to one on the pool as it is, if shares acted in proportion. Standard errors come from the
    residuals of the subsets' means, or from the noise of seeds where there are no residuals (leave one out).

    Args:
        observed: the trainings.
        natural: (k,) share of the tokens of the pool that each unit has.

    Raises:
        RunsError: fewer subsets than units.
    """
    s, k = observed.shares.shape
    if observed.mixed:
        design = observed.shares
        contrast = np.eye(k) - np.outer(np.ones(k), natural / natural.sum())
    else:
        design = np.column_stack([np.ones(s), observed.masks])
        contrast = np.eye(k + 1)[1:]
    free = s - design.shape[1]
    if free < 0 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise RunsError(
            f"least squares cannot tell {k} units apart by {s} subsets: it needs {design.shape[1]} that differ; give "
            "more subsets, fewer units, or use lasso"
        )
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ observed.outcomes
    if free:
        variance = ((observed.outcomes - design @ found) ** 2).sum(axis=0) / free
        freedom = float(free)
    else:
        variance, freedom = observed.noise / observed.seeds, float(observed.freedom)
    spread = np.einsum("ij,jl,il->i", contrast, inverse, contrast)
    errors = np.sqrt(spread[:, None] * variance)
    return Effects(contrast @ found, errors, np.full(errors.shape, freedom), float(s))
