"""Learning rates over the steps of a training. Not here: the optimiser (``stepper``)."""

import math

from datasel_assets.specs.training import ScheduleName

LOWEST = 0.1
"""Share of the highest rate that is left at the end of a cosine."""


def learning_rate(step: int, total: int, highest: float, warmup: float, schedule: ScheduleName = "cosine") -> float:
    """Return the rate of ``step`` (from 0): a linear rise, then what the schedule says.

    Args:
        step: below ``total``.
        total: steps in all.
        highest: rate at the end of the rise.
        warmup: share of the steps in which it rises.
        schedule: half a cosine down to a tenth of the highest rate, a line down to nothing, or no fall at all.
    """
    warm = math.ceil(warmup * total)
    if step < warm:
        return highest * (step + 1) / warm
    if schedule == "constant":
        return highest
    done = (step - warm) / max(1, total - warm)
    if schedule == "linear":
        return highest * (1 - done)
    return highest * (LOWEST + (1 - LOWEST) * (1 + math.cos(math.pi * done)) / 2)
