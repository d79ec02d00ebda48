"""What a method of truth inference hands back, and arithmetic on probabilities of classes that all of them share.

Belongs here: the result. Does not: any method (a file each beside this one), which there are (``truth``).
"""

from dataclasses import dataclass

import numpy as np

from datasel_assets.crowd.answers import Answers

TIE = 1e-9
"""Classes whose posteriors differ by less are tied."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What a method says of n tasks and m workers.

    Attributes:
        posterior: (n, K) float64, rows sum to 1; uniform where nobody answered.
        quality: (m,) float64: how probable it is that an answer of the worker is right, by this method; NaN for a
            worker without answers. Of PM and CATD: the share of the votes for what the worker said.
        rounds: passes over the answers.
        confusion: (m, K, K) float64, row = truth, column = answer, where the method has one.
    """

    posterior: np.ndarray
    quality: np.ndarray
    rounds: int
    confusion: np.ndarray | None = None

    @property
    def certainty(self) -> np.ndarray:
        """Return (n,) the posterior of the most probable class."""
        return self.posterior.max(axis=1)

    @property
    def label(self) -> np.ndarray:
        """Return (n,) int64, the most probable class, -1 at a tie."""
        best = self.posterior.argmax(axis=1)
        tied = (self.posterior > self.certainty[:, None] - TIE).sum(axis=1) > 1
        return np.where(tied, -1, best)


def shares(votes: np.ndarray) -> np.ndarray:
    """Return votes (n, K) as shares; uniform where there are none."""
    total = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, total, out=np.full_like(votes, 1 / votes.shape[1]), where=total > 0)


def from_logs(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities (n, K) that logs stand for up to a constant per row, and the (n,) logs of that sum."""
    top = logs.max(axis=1, keepdims=True)
    raised = np.exp(logs - top)
    total = raised.sum(axis=1, keepdims=True)
    return raised / total, (top + np.log(total))[:, 0]


def quality_of(answers: Answers, posterior: np.ndarray) -> np.ndarray:
    """Return (m,) the mean posterior of what each worker said; NaN without answers."""
    right = np.bincount(answers.worker, posterior[answers.task, answers.answer], minlength=answers.n_workers)
    counts = answers.per_worker
    return np.divide(right, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def accuracy(posterior: np.ndarray, gold: np.ndarray) -> float:
    """Return the share of tasks told right, on average over all ways to break ties; NaN without known tasks.

    Args:
        posterior: (n, K).
        gold: (n,) the right class, -1 where it is not known.
    """
    known = np.asarray(gold) >= 0
    best = posterior[known] > posterior[known].max(axis=1, keepdims=True) - TIE
    right = best[np.arange(known.sum()), np.asarray(gold)[known]]
    return float(np.mean(right / best.sum(axis=1))) if known.any() else float("nan")
