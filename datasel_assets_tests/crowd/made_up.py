"""Crowds of which everything is known: truth, workers, answers."""

import numpy as np

from datasel_assets.crowd.answers import Answers


def crowd(seed: int, n: int = 200, m: int = 10, per_task: int = 3, k: int = 2, right=(8, 3)):
    """Return answers, the truth (n,) and the accuracy (m,) of each worker."""
    draw = np.random.default_rng(seed)
    truth, quality = draw.integers(k, size=n), draw.beta(*right, size=m)
    task = np.repeat(np.arange(n), per_task)
    worker = np.concatenate([draw.permutation(m)[:per_task] for _ in range(n)])
    wrong = (truth[task] + draw.integers(1, k, size=len(task))) % k
    answer = np.where(draw.random(len(task)) < quality[worker], truth[task], wrong)
    return Answers(task, worker, answer, n, m, k), truth, quality
