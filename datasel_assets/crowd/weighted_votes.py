"""PM and CATD: votes that count by how often their worker agrees with the outcome.

Belongs here: these methods. Their posterior is a share of weighted votes and no probability.

PM: Li et al., Resolving Conflicts in Heterogeneous Data by Truth Discovery (CRH, SIGMOD 2014). CATD: Li et al., A
Confidence-Aware Approach for Truth Discovery on Long-Tail Data (VLDB 2015).
"""

from collections.abc import Callable

import numpy as np
from scipy.special import chdtri

from datasel_assets.crowd.answers import Answers
from datasel_assets.crowd.posterior import TIE, Truth, quality_of, shares

ROUNDS = 100
TINY = 1e-7
CONFIDENCE = 0.05
"""One minus the confidence of CATD's interval."""


def pm(answers: Answers) -> Truth:
    """Return the weighted vote with weights ``-log(loss_w / max loss)``, a worker's loss his answers against it."""

    def weigh(loss: np.ndarray) -> np.ndarray:
        return -np.log(loss / max(loss.max(initial=0.0), TINY) + TINY) + TINY

    return _alternate(answers, weigh)


def catd(answers: Answers, alpha: float = CONFIDENCE) -> Truth:
    """Return the weighted vote whose weights are ``chi2(alpha / 2; n_w) / loss_w``, a worker's n_w answers.

    The weight is one over the upper end of the confidence interval of the worker's variance, so that of two who err
    equally often the one with more answers counts more. (The code of a well-known benchmark takes the other tail of
    the distribution, with which the one with fewer answers counts more.)
    """
    tail = chdtri(np.maximum(answers.per_worker, 1), 1 - alpha / 2)

    def weigh(loss: np.ndarray) -> np.ndarray:
        return tail / np.maximum(loss, 0.5)

    return _alternate(answers, weigh)


def _alternate(answers: Answers, weigh: Callable[[np.ndarray], np.ndarray]) -> Truth:
    """Return votes and weights that go with each other; a tie counts for each of its classes in part."""
    weights = np.ones(answers.n_workers)
    decided = np.empty((0, 0))
    done = 0
    for _ in range(ROUNDS):
        done += 1
        posterior = answers.pinned(shares(answers.votes(weights)))
        best = posterior > posterior.max(axis=1, keepdims=True) - TIE
        now = best / best.sum(axis=1, keepdims=True)
        if decided.shape == now.shape and np.array_equal(decided, now):
            break
        decided = now
        wrong = 1 - decided[answers.task, answers.answer]
        loss = np.bincount(answers.worker, wrong, minlength=answers.n_workers)
        weights = weigh(loss)
    return Truth(posterior, quality_of(answers, posterior), done)
