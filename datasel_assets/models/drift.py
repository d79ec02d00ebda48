"""How far the texts of a pool have moved from those that a model was trained on. Not here: what follows from it."""

import numpy as np


def drift(training: np.ndarray, pool: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence in base 2 of two token distributions.

    ``H((p + q) / 2) - (H(p) + H(q)) / 2`` in bits: 0 for equal distributions, 1 for those that share no token. It is
    the divergence and not its square root, which ``scipy.spatial.distance.jensenshannon`` returns.

    Args:
        training: (V,) how often each token came in the training texts.
        pool: (V,) how often it comes in the pool, counted by the same tokenizer.

    Raises:
        ValueError: the lengths differ, or one side has no tokens.
    """
    p, q = np.asarray(training, np.float64), np.asarray(pool, np.float64)
    if p.shape != q.shape or p.ndim != 1:
        raise ValueError(f"counts of shapes {p.shape} and {q.shape} are not over one vocabulary: use one tokenizer")
    if not (p.sum() > 0 and q.sum() > 0):
        raise ValueError("no tokens were counted on one side: drift needs texts on both")
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float(min(1.0, max(0.0, (_relative(p, middle) + _relative(q, middle)) / 2)))


def _relative(p: np.ndarray, middle: np.ndarray) -> float:
    seen = p > 0
    return float((p[seen] * np.log2(p[seen] / middle[seen])).sum())
