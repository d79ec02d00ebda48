"""ZenCrowd: one number per worker, how often he is right, by expectation maximisation.

Belongs here: this method. Demartini, Difallah and Cudre-Mauroux, ZenCrowd (WWW 2012), with errors that fall on every
wrong class alike and no prior on classes, as in Zheng et al., Truth Inference in Crowdsourcing (VLDB 2017).
"""

import numpy as np

from datasel_assets.crowd.answers import Answers
from datasel_assets.crowd.posterior import Truth, from_logs, quality_of

START = 0.8
ROUNDS = 20
EDGE = 1e-6
"""How near to 0 and to 1 a quality may come."""


def zencrowd(answers: Answers, rounds: int = ROUNDS) -> Truth:
    """Return the posterior of ``log P_ik = sum over w of log(l = k ? q_w : (1 - q_w) / (K - 1))``."""
    quality = np.full(answers.n_workers, START)
    for _ in range(rounds):
        # A wrong answer counts for every class alike, so only what the right one counts more is added up.
        weights = np.log(quality) - np.log((1 - quality) / (answers.n_classes - 1))
        posterior = answers.pinned(from_logs(answers.votes(weights))[0])
        told = quality_of(answers, posterior)
        quality = np.clip(np.where(np.isnan(told), START, told), EDGE, 1 - EDGE)
    return Truth(posterior, told, rounds)
