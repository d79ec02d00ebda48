"""How far what is counted in a pool has moved from what was counted before. Not here: what follows from it."""

import math

import numpy as np

from datasel_assets.arrays.jensen_shannon import jensen_shannon


def drift(before: np.ndarray, now: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence in bits of two counts over one vocabulary; where it is undefined, raise.

    Args:
        before: (V,) how often each token came in the texts that something was fitted on.
        now: (V,) how often it comes in the pool, counted the same way.

    Returns:
        0 for equal distributions, 1 for those that share no token.

    Raises:
        ValueError: the lengths differ, or one side has no tokens.
    """
    if np.shape(before) != np.shape(now) or np.ndim(before) != 1:
        raise ValueError(
            f"counts of shapes {np.shape(before)} and {np.shape(now)} are not over one vocabulary: use one tokenizer"
        )
    found = jensen_shannon(before, now)
    if math.isnan(found):
        raise ValueError("no tokens were counted on one side: drift needs texts on both")
    return found
