"""How good workers are on tasks whose answer is known, how sure that is, and who is better not asked again.

Belongs here: the Beta distribution of a worker's accuracy. Does not: accuracy by the others' answers (``truth``).
"""

import numpy as np
from scipy.special import betainc, betaincinv

from datasel_assets.crowd.answers import Answers

BLOCKED_FROM = 0.95
"""How probable it must be that a worker is worse than ``lowest_quality`` for his answers to be left out."""


def golden_counts(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Return (m,) the golden tasks that each worker answered right, and (m,) those answered wrong."""
    golden = answers.is_golden[answers.task]
    right = golden & (answers.answer == answers.gold[answers.task])
    hits = np.bincount(answers.worker[right], minlength=answers.n_workers)
    return hits, np.bincount(answers.worker[golden], minlength=answers.n_workers) - hits


def quality_interval(
    right: np.ndarray, wrong: np.ndarray, prior: tuple[float, float] = (1.0, 1.0), level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, low and high of Beta(prior + counts): accuracy with the interval that holds ``level`` of it.

    Args:
        right: (m,) answers that were right; may be fractions, such as sums of posteriors.
        wrong: (m,) answers that were wrong.
        prior: answers, right and wrong, that everybody is credited with.
        level: of the interval with equal tails.
    """
    a, b = prior[0] + np.asarray(right, np.float64), prior[1] + np.asarray(wrong, np.float64)
    tail = (1 - level) / 2
    return a / (a + b), betaincinv(a, b, tail), betaincinv(a, b, 1 - tail)


def lowest_quality(n_classes: int, margin: float = 0.1) -> float:
    """Return the accuracy that is little better than guessing: 1 / K + ``margin``."""
    return 1 / n_classes + margin


def is_blocked(
    right: np.ndarray,
    wrong: np.ndarray,
    n_classes: int,
    prior: tuple[float, float] = (1.0, 1.0),
    probability: float = BLOCKED_FROM,
) -> np.ndarray:
    """Return (m,) bool: it is more probable than ``probability`` that the worker is hardly better than guessing."""
    a, b = prior[0] + np.asarray(right, np.float64), prior[1] + np.asarray(wrong, np.float64)
    return betainc(a, b, lowest_quality(n_classes)) > probability
