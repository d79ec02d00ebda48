"""Effects when there are more units than trainings: few units are thought to matter, most not at all.

Belongs here: datamodels by lasso (Ilyas et al. 2022), the average marginal effect (AME, Lin et al. 2022). Does not:
regression on all units (``least_squares``).
"""

import numpy as np

from datasel_assets.runs.observed import Effects, Observed, RunsError

RESAMPLES = 100
FOLDS = 5
PUNISHMENTS = 12
ITERATIONS = 500
LEAST = 10


def lasso(observed: Observed, natural: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> Effects:
    """Return effects by a regression that is punished for the sum of their sizes (Ilyas et al. 2022, equation 3).

    The features are those of :func:`~datasel_assets.runs.least_squares.ols`; the punishment is chosen by
    cross-validation for each outcome. Effects are drawn toward 0, most of them all the way. Standard errors are those
    of resamples of the subsets under the same punishment, without what its choice adds.

    Args:
        observed: the trainings.
        natural: (k,) share of the tokens of the pool that each unit has.
        seed: of the folds and the resamples.
        resamples: for the standard errors; 0: none are known.

    Raises:
        RunsError: fewer than 10 subsets.
    """
    if observed.mixed:
        usual = natural / natural.sum()
        return _sparse(observed.shares, np.ones(len(natural)), observed.outcomes, seed, usual, resamples)
    masks = observed.masks.astype(np.float64)
    return _sparse(masks, np.ones(len(natural)), observed.outcomes, seed, None, resamples)


def ame(observed: Observed, natural: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> Effects:
    """Return the average marginal effect of each unit over subsets of several sizes (Lin et al. 2022, section 3).

    Units are in with a probability p of the subset's own. Lasso of the outcome on 1/p where a unit is in and
    -1/(1-p) where not, both divided by the root of v = mean 1/(p(1-p)); the effect is the coefficient times that root.

    Args:
        observed: the trainings, of subsets that took units one by one.
        natural: not used.
        seed: of the folds and the resamples.
        resamples: for the standard errors; 0: none are known.

    Raises:
        RunsError: units were not taken one by one, or there are fewer than 10 subsets.
    """
    p = observed.inclusion[:, None]
    if not np.isfinite(p).all():
        raise RunsError("ame needs subsets that take each unit with a known probability: use 'design: {kind: random}'")
    scale = float(np.sqrt(np.mean(1 / (p * (1 - p)))))
    features = np.where(observed.masks, 1 / p, -1 / (1 - p)) / scale
    return _sparse(features, np.full(features.shape[1], scale), observed.outcomes, seed, None, resamples)


def _sparse(
    features: np.ndarray, scale: np.ndarray, outcomes: np.ndarray, seed: int, centre: np.ndarray | None, resamples: int
) -> Effects:
    """Return coefficients times ``scale``; less their mean weighted by ``centre``, where that is given."""
    s = len(features)
    if s < LEAST:
        raise RunsError(f"a regression with cross-validation needs {LEAST} subsets, there are {s}: give more")
    # What is punished are sizes of coefficients, which go by the units of outcomes: these have a spread of 1 here.
    spread = outcomes.std(axis=0)
    spread[spread < 1e-12] = 1.0
    targets = (outcomes - outcomes.mean(axis=0)) / spread
    punished = _by_cross_validation(features, targets, seed)
    found = [_fit(features, targets, punished)]
    draw = np.random.default_rng([seed, 5])
    samples = draw.integers(0, s, (resamples, s))
    found += [_fit(features[some], targets[some], punished, tolerance=1e-4) for some in samples]
    settled = np.stack(found) * scale[:, None] * spread
    if centre is not None:
        settled = settled - np.einsum("rkq,k->rq", settled, centre)[:, None, :]
    errors = settled[1:].std(axis=0, ddof=1) if resamples > 1 else np.full(settled[0].shape, np.nan)
    return Effects(settled[0], errors, np.full(errors.shape, np.inf), float(s))


def _by_cross_validation(features: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    """Return (q,) the punishment of each outcome whose fits leave the smallest error on subsets left out."""
    s, q = targets.shape
    # From where every coefficient is 0 down to a hundredth of that.
    centred = features - features.mean(axis=0)
    top = np.maximum(np.abs(centred.T @ targets).max(axis=0) / s, 1e-12)
    steps = np.geomspace(1, 0.01, PUNISHMENTS)
    errors = np.zeros((PUNISHMENTS, q))
    for left_out in np.array_split(np.random.default_rng([seed, 7]).permutation(s), FOLDS):
        kept = np.setdiff1d(np.arange(s), left_out)
        tried = np.repeat(targets[kept], PUNISHMENTS, axis=1)
        fitted = _fit(features[kept], tried, (top[:, None] * steps).ravel(), tolerance=1e-3)
        mean = features[kept].mean(axis=0)
        guessed = (features[left_out] - mean) @ fitted + tried.mean(axis=0)
        missed = guessed.reshape(len(left_out), q, PUNISHMENTS) - targets[left_out][:, :, None]
        errors += (missed**2).sum(axis=0).T
    return top * steps[errors.argmin(axis=0)]


def _fit(features: np.ndarray, targets: np.ndarray, punished: np.ndarray, tolerance: float = 1e-6) -> np.ndarray:
    """Return (k, q) the coefficients that minimise |y - a - X b|^2 / 2s + punished |b|_1, for q targets at once.

    Accelerated proximal gradient (FISTA, Beck and Teboulle 2009) on the Gram matrix.
    """
    s = len(features)
    centred = features - features.mean(axis=0)
    gram, with_targets = centred.T @ centred / s, centred.T @ (targets - targets.mean(axis=0)) / s
    rate = 1 / max(float(np.linalg.eigvalsh(gram)[-1]), 1e-12)
    found = ahead = np.zeros(with_targets.shape)
    speed = 1.0
    for _ in range(ITERATIONS):
        moved = ahead - rate * (gram @ ahead - with_targets)
        new = np.sign(moved) * np.maximum(np.abs(moved) - rate * punished, 0)
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead = new + (speed - 1) / faster * (new - found)
        settled = np.abs(new - found).max() < tolerance
        found, speed = new, faster
        if settled:
            break
    return found
