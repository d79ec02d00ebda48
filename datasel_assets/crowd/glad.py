"""GLAD: how able a worker is and how easy a task, together.

Belongs here: this method. Whitehill et al., Whose Vote Should Count More: Optimal Integration of Labels from Labelers
of Unknown Expertise (NeurIPS 2009), with errors that fall on every wrong class alike.
"""

import numpy as np

from datasel_assets.crowd.answers import Answers
from datasel_assets.crowd.posterior import Truth, from_logs, quality_of, shares

ROUNDS = 100
TOLERANCE = 1e-5
STEPS = 10
MOST_EASY = 10.0
"""Bound of the logarithm of ease; the prior holds it near 1."""


def glad(answers: Answers, rounds: int = ROUNDS, tolerance: float = TOLERANCE) -> Truth:
    """Return the posterior where ``P(right) = sigmoid(a_w exp(b_i))``, ability ``a`` and log ease ``b`` fitted by EM.

    Both have the prior N(1, 1); an ability below 0 is that of somebody who knows better and says the opposite. Each
    M-step is at most ``STEPS`` steps of L-BFGS.
    """
    from scipy.optimize import Bounds, minimize

    m, n, k = answers.n_workers, answers.n_tasks, answers.n_classes
    x = np.ones(m + n)
    bounds = Bounds(
        np.r_[np.full(m, -np.inf), np.full(n, -MOST_EASY)], np.r_[np.full(m, np.inf), np.full(n, MOST_EASY)]
    )
    before = -np.inf
    posterior = shares(answers.votes())
    done = 0
    for _ in range(rounds):
        done += 1
        posterior, likelihood = _expect(answers, x[:m], x[m:])
        objective = likelihood - 0.5 * float(((x - 1) ** 2).sum())
        if abs(objective - before) <= tolerance * abs(objective):
            break
        before = objective
        right = posterior[answers.task, answers.answer]
        x = minimize(_loss, x, (answers, right, k), "L-BFGS-B", True, bounds=bounds, options={"maxiter": STEPS}).x
    return Truth(posterior, quality_of(answers, posterior), done)


def _margin(answers: Answers, ability: np.ndarray, ease: np.ndarray) -> np.ndarray:
    return ability[answers.worker] * np.exp(ease)[answers.task]


def _expect(answers: Answers, ability: np.ndarray, ease: np.ndarray) -> tuple[np.ndarray, float]:
    n, k = answers.n_tasks, answers.n_classes
    margin = _margin(answers, ability, ease)
    wrong = -np.logaddexp(0, margin) - np.log(k - 1)
    # log sigmoid(x) - log sigmoid(-x) = x: what the class that was named gains over the others.
    gained = np.bincount(answers.task * k + answers.answer, margin + np.log(k - 1), minlength=n * k)
    logs = gained.reshape(n, k) + np.bincount(answers.task, wrong, minlength=n)[:, None] - np.log(k)
    rows = np.flatnonzero(answers.is_golden)
    known = logs[rows, answers.gold[rows]]
    posterior, total = from_logs(logs)
    total[rows] = known
    return answers.pinned(posterior), float(total.sum())


def _loss(x: np.ndarray, answers: Answers, right: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Return minus the expected logarithm with its gradient; ``right``: how probably each answer is right."""
    m = answers.n_workers
    ability, ease = x[:m], x[m:]
    margin = _margin(answers, ability, ease)
    gain = right * -np.logaddexp(0, -margin) + (1 - right) * (-np.logaddexp(0, margin) - np.log(k - 1))
    residual = right - _sigmoid(margin)
    by_ability = np.bincount(answers.worker, residual * np.exp(ease)[answers.task], minlength=m)
    by_ease = np.bincount(answers.task, residual * margin, minlength=answers.n_tasks)
    value = gain.sum() - 0.5 * ((x - 1) ** 2).sum()
    return -float(value), -(np.concatenate([by_ability, by_ease]) - (x - 1))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
