"""Dawid and Skene: a table per worker of what he says where something else is true.

Belongs here: this method, its prior, and where golden tasks come in. Dawid and Skene, Maximum Likelihood Estimation of
Observer Error-Rates Using the EM Algorithm (1979); with a Dirichlet prior on the tables as in Raykar et al., Learning
From Crowds (JMLR 2010).
"""

import numpy as np

from datasel_assets.crowd.answers import Answers
from datasel_assets.crowd.posterior import Truth, from_logs, quality_of, shares

ROUNDS = 100
TOLERANCE = 1e-6
"""Relative change of the objective at which nothing more is gained."""
FLOOR = 1e-10
"""Smallest probability in a table: a class that a worker never named where it was true has not become impossible."""


def dawid_skene(
    answers: Answers,
    prior_right: float = 0.0,
    prior_wrong: float = 0.0,
    rounds: int = ROUNDS,
    tolerance: float = TOLERANCE,
) -> Truth:
    """Return the posterior of ``log P_ik = log pi_k + sum over w of log C_w[k, l]``, ``C_w`` and ``pi`` fitted by EM.

    It starts from the share of votes; a worker who answered golden tasks starts from what he said of those.

    Args:
        answers: golden tasks stay at their known class.
        prior_right: answers that every worker is credited with for each class where he agrees with the truth: a
            Dirichlet prior, 0 as published. Where tasks have three answers or fewer, tables fitted without a prior
            take one worker for infallible and are often less right than the plain vote.
        prior_wrong: the same for every other cell of a table.
        rounds: passes at most.
        tolerance: see ``TOLERANCE``.
    """
    k = answers.n_classes
    prior = np.where(np.eye(k, dtype=bool), prior_right, prior_wrong)
    posterior = answers.pinned(shares(answers.votes()))
    confusion = starting_tables(answers, posterior, prior)
    before = -np.inf
    done = 0
    for _ in range(rounds):
        done += 1
        classes = np.maximum(posterior.mean(axis=0), FLOOR) if len(posterior) else np.full(k, 1 / k)
        posterior, objective = _expect(answers, confusion, classes, prior)
        if abs(objective - before) <= tolerance * abs(objective):
            break
        before = objective
        confusion = _normalised(_counts(answers, posterior) + prior)
    return Truth(posterior, quality_of(answers, posterior), done, confusion)


def starting_tables(answers: Answers, posterior: np.ndarray, prior: np.ndarray | float) -> np.ndarray:
    """Return (m, K, K): from golden tasks for workers who answered some, from the share of votes for the others.

    With golden tasks one answer is added to every cell and one more where worker and truth agree: a single one must not
    make a worker infallible.
    """
    golden = np.where(answers.is_golden[:, None], answers.pinned(posterior), 0.0)
    told = _counts(answers, golden)
    known = told.sum(axis=(1, 2)) > 0
    voted = _counts(answers, posterior) + prior
    return _normalised(np.where(known[:, None, None], told + 1 + np.eye(answers.n_classes), voted))


def _counts(answers: Answers, posterior: np.ndarray) -> np.ndarray:
    """Return (m, K, K), the expected answers of each worker by true class (row) and class named (column)."""
    k = answers.n_classes
    return (answers.incidence.T @ posterior).reshape(answers.n_workers, k, k).transpose(0, 2, 1)


def _normalised(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=2, keepdims=True)
    table = np.divide(counts, total, out=np.full_like(counts, 1 / counts.shape[2]), where=total > 0)
    table = np.maximum(table, FLOOR)
    return table / table.sum(axis=2, keepdims=True)


def _expect(
    answers: Answers, confusion: np.ndarray, classes: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the posterior (n, K) and the logarithm of how probable answers and tables are together."""
    tables = np.log(confusion)
    logs = answers.incidence @ tables.transpose(0, 2, 1).reshape(-1, answers.n_classes) + np.log(classes)
    rows = np.flatnonzero(answers.is_golden)
    known = logs[rows, answers.gold[rows]]
    posterior, total = from_logs(logs)
    total[rows] = known
    return answers.pinned(posterior), float(total.sum() + (prior * tables).sum())
