"""A mixture of units to try next, from what each does to each outcome (Skill-It, Chen et al. 2023).

Belongs here: shares of tokens from effects and losses. Does not: effects, choosing rows by shares (``samplers``).
"""

import numpy as np


def skill_it(effects: np.ndarray, losses: np.ndarray, natural: np.ndarray, eta: float = 0.5) -> np.ndarray:
    """Return (k,) shares of the tokens, p_i proportional to n_i exp(eta sum_j A_ij L_j) (Algorithm 1, one step).

    A_ij is how much unit i lowers loss j where it does, as a share of the largest such effect; a unit that lowers
    nothing keeps its place beside the others like it. n_i is the share in the pool, where the paper begins with equal
    shares, because a cluster of a few rows would be repeated over and over.

    Args:
        effects: (k, q) of units on outcomes, larger is better.
        losses: (q,) nats after a training on the pool: what is still to be learned.
        natural: (k,) share of each unit in the pool.
        eta: how far the shares move.
    """
    graph = np.maximum(effects, 0.0)
    largest = graph.max()
    pull = eta * (graph / largest if largest > 0 else graph) @ losses
    shares = natural * np.exp(pull - pull.max())
    return shares / shares.sum()
