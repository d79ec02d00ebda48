"""Average marginal contributions of units: Banzhaf, Beta-Shapley and Shapley values, from any subsets drawn at random.

Belongs here: values of a game whose players are units, and the plain difference of means. Does not: regressions.

A semivalue is the mean of v(S + i) - v(S) over subsets S that take each other unit with a probability p, itself drawn
from a law: p = 1/2 for Banzhaf, Beta(b, a) for Beta(a, b)-Shapley (Kwon and Zou 2022), uniform for Shapley (Owen 1972).
All of them come out of the same trainings: each counts by how much likelier its subset is under the law than under the
draw that made it (importance sampling, weights adding up to 1 on either side).
"""

from functools import partial

import numpy as np

from datasel_assets.runs.observed import Effects, Observed, RunsError

FEW = 8.0
"""Fewer subsets than this in effect are refused: the value would be that of a handful of trainings."""


def difference_of_means(observed: Observed, natural: np.ndarray) -> Effects:
    """Return the mean outcome of subsets with a unit less that of those without it (Feldman and Zhang 2020, eq. 2).

    Standard errors and degrees of freedom by Welch.

    Args:
        observed: the trainings.
        natural: not used.

    Raises:
        RunsError: some unit is in fewer than two subsets, or out of fewer than two.
    """
    masks, y = observed.masks.astype(np.float64), observed.outcomes
    counts = np.stack([masks.sum(axis=0), (1 - masks).sum(axis=0)])
    if counts.min() < 2:
        unit = int(counts.min(axis=0).argmin())
        raise RunsError(
            f"a difference of means needs two subsets with each unit and two without: unit {unit} is in "
            f"{counts[0, unit]:.0f} and out of {counts[1, unit]:.0f}; give more subsets"
        )
    means, parts, degrees = [], [], []
    for side, n in zip((masks, 1 - masks), counts, strict=True):
        mean = side.T @ y / n[:, None]
        variance = np.maximum(side.T @ y**2 / n[:, None] - mean**2, 0) * (n / (n - 1))[:, None]
        means.append(mean)
        parts.append(variance / n[:, None])
        degrees.append((variance / n[:, None]) ** 2 / (n - 1)[:, None])
    total = parts[0] + parts[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(total > 0, total**2 / (degrees[0] + degrees[1]), np.inf)
    return Effects(means[0] - means[1], np.sqrt(total), freedom, float(counts.min()))


def banzhaf(observed: Observed, natural: np.ndarray) -> Effects:
    """Return Banzhaf values (Wang and Jia 2023): every subset of the other units counts alike.

    Args:
        observed: the trainings, of subsets that took units one by one.
        natural: not used.

    Raises:
        RunsError: the subsets do not allow it.
    """
    k = observed.shares.shape[1]
    return _semivalue(observed, np.full(k, -(k - 1) * np.log(2.0)), "banzhaf", "share: 0.5")


def beta_shapley(observed: Observed, natural: np.ndarray, a: float = 16.0, b: float = 1.0) -> Effects:
    """Return Beta(a, b)-Shapley values (Kwon and Zou 2022, equation 5): 1, 1 is Shapley, 16, 1 looks at small subsets.

    Args:
        observed: the trainings, of subsets that took units one by one.
        natural: not used.
        a: the larger, the more small subsets count.
        b: the larger, the more large subsets count.

    Raises:
        RunsError: the subsets do not allow it.
    """
    from scipy.special import betaln

    j = np.arange(observed.shares.shape[1])
    law = betaln(j + b, len(j) - 1 - j + a) - betaln(a, b)
    return _semivalue(observed, law, "beta_shapley", "share: [0.02, 0.1, 0.3]" if a > b else "share: [0.7, 0.9, 0.98]")


shapley = partial(beta_shapley, a=1.0, b=1.0)
"""Data Shapley values (Ghorbani and Zou 2019): every size of a subset counts alike."""


def _semivalue(observed: Observed, law: np.ndarray, name: str, hint: str) -> Effects:
    """Return a semivalue.

    Args:
        observed: the trainings.
        law: (k,) logarithm of the probability of one subset of each size 0 .. k-1 among the k-1 other units.
        name: of the value, for messages.
        hint: what to ask for instead.
    """
    from scipy.special import logsumexp

    masks, y, p = observed.masks, observed.outcomes, observed.inclusion
    if not np.isfinite(p).all():
        raise RunsError(
            f"{name} needs subsets that take each unit with a known probability: use 'design: {{kind: random, {hint}}}'"
        )
    k, sizes = masks.shape[1], masks.sum(axis=1)
    # Probability of one subset of each size under the draw: the mean over the probabilities that were used, among
    # subsets that hold some unit.
    size = np.arange(k + 1)[:, None]
    held = size * np.log(p) + (k - size) * np.log1p(-p) - np.log(-np.expm1(k * np.log1p(-p)))
    drawn = logsumexp(held, axis=1)[sizes] - np.log(len(p))
    # A subset with unit i is S + i for an S that is one smaller; one without i is S itself.
    inside = np.exp(law[np.maximum(sizes - 1, 0)] - drawn)[:, None] * masks
    outside = np.exp(law[np.minimum(sizes, k - 1)] - drawn)[:, None] * ~masks
    means, parts, effective = [], [], []
    for weights in (inside, outside):
        total = weights.sum(axis=0)
        counts = total**2 / np.maximum((weights**2).sum(axis=0), 1e-300)
        effective.append(counts)
        share = weights / np.maximum(total, 1e-300)
        mean = share.T @ y
        means.append(mean)
        squares = share.T**2 @ y**2 - 2 * (share.T**2 @ y) * mean + (share**2).sum(axis=0)[:, None] * mean**2
        parts.append(np.maximum(squares, 0))
    least = float(np.min(effective))
    if least < FEW:
        raise RunsError(
            f"{name} would rest on {least:.1f} subsets in effect, and needs {FEW:g}: the sizes that it looks at were "
            f"hardly drawn; use 'design: {{kind: random, {hint}}}' or more subsets"
        )
    # The subset without any unit is never drawn, and known where the start was measured.
    empty = float(np.exp(law[0]))
    start = np.where(np.isfinite(observed.start), observed.start, means[1])
    values = means[0] - ((1 - empty) * means[1] + empty * start)
    errors = np.sqrt(parts[0] + (1 - empty) ** 2 * parts[1])
    freedom = np.minimum(*effective)[:, None] - 1 + np.zeros_like(values)
    return Effects(values, errors, freedom, least)
