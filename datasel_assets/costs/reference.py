"""Costs that were measured on the shipped pool, for steps that have never run here.

Belongs here: reading the file that comes with the package. Does not belong here: measuring (the benchmark
``step_costs`` writes it, and says how).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from datasel_assets.costs.step_cost import StepCost


@dataclass(frozen=True)
class Reference:
    """What the shipped pool cost.

    Attributes:
        how: how it was measured, in words.
        steps: stage -> its cost.
        start_mb: memory that the process of a run holds before its first step.
        before_mb: the most that it holds before any, once models were loaded.
        between_seconds: wall seconds of a run for each step, beside those of its steps.
        between_cpu_seconds: the same in CPU seconds.
    """

    how: str
    steps: Mapping[str, StepCost]
    start_mb: float
    before_mb: float
    between_seconds: float
    between_cpu_seconds: float


@cache
def reference() -> Reference:
    """Return the costs that come with the package."""
    kept = json.loads((resources.files("datasel_assets.costs") / "reference.json").read_text("utf-8"))
    steps = {stage: StepCost.of_plain(step) for stage, step in kept["steps"].items()}
    figures = ("start_mb", "before_mb", "between_seconds", "between_cpu_seconds")
    return Reference(kept["how"], steps, *(kept[name] for name in figures))
