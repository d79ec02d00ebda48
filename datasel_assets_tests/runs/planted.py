"""Simulated series of trainings whose truth is known: a poisonous unit and one that is a copy of the target's."""

import numpy as np

from datasel_assets.runs.designs import Design, dirichlet, leave_one_out, random_subsets
from datasel_assets.runs.observed import Observed

UNITS, POISON, COPY = 40, 7, 23
SIZES = np.random.default_rng(0).integers(50, 200, UNITS)
NATURAL = SIZES / SIZES.sum()


def truth(outcomes: int = 1) -> np.ndarray:
    """(k, q): what a unit adds to the utility when it is in."""
    found = np.zeros((UNITS, outcomes))
    found[POISON], found[COPY] = -0.3, 0.25
    return found


def design_of(kind: str, subsets: int = 64, seeds: int = 2, share=0.5) -> Design:
    if kind == "leave_one_out":
        return leave_one_out(SIZES, seeds)
    if kind == "dirichlet":
        return dirichlet(SIZES, subsets, 1.0, seeds, 0)
    return random_subsets(SIZES, subsets, share, seeds, 0)


def simulate(design: Design, effect: np.ndarray, noise: float = 0.05, seed: int = 0) -> Observed:
    """Outcomes that add up, with noise of each training."""
    mixed = np.isnan(design.inclusion).all() and (design.shares > 0).all()
    features = design.shares if mixed else (design.shares > 0).astype(float)
    draw = np.random.default_rng(seed)
    outcomes = -2.0 + features @ effect + noise * draw.standard_normal((design.runs, effect.shape[1]))
    return Observed.of(design.shares, design.subset, outcomes, design.inclusion, mixed=bool(mixed))
