"""What a unit does to itself, and what units do to each other (Feldman and Zhang 2020).

Belongs here: memorisation and influence from trainings with and without each unit. Does not: other outcomes.
"""

import numpy as np

from datasel_assets.runs.observed import Effects, Observed, RunsError
from datasel_assets.runs.semivalues import difference_of_means


def influence(observed: Observed) -> Effects:
    """Return (k, k) influence: how much better unit j is known when unit i is in (equation 3).

    Args:
        observed: the trainings; outcome j is that on the rows of unit j.

    Raises:
        RunsError: there is not one outcome for each unit, or some unit is hardly ever in or out.
    """
    k = observed.shares.shape[1]
    if observed.outcomes.shape[1] != k:
        raise RunsError(f"{observed.outcomes.shape[1]} outcomes for {k} units: measure the rows of every unit")
    return difference_of_means(observed, np.empty(0))


def memorisation(observed: Observed) -> Effects:
    """Return (k, 1) memorisation: how much better a unit is known when it is in itself (equation 1).

    Args:
        observed: as of :func:`influence`.

    Raises:
        RunsError: as of :func:`influence`.
    """
    found = influence(observed)
    own = [np.diagonal(values)[:, None].copy() for values in (found.values, found.errors, found.freedom)]
    return Effects(own[0], own[1], own[2], found.effective)
