"""What the unit of a row (its cluster, its source, itself) does to the outcome of trainings.

Belongs here: from effects of units to rows. Does not: its YAML (``specs.score``), effects (``runs``), the trainings.
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import Need, ScoreKind
from datasel_assets.specs.score import RunEffectSpec


@indicator(keep="high", bounds=(None, None), source="Ilyas et al. 2022 (arXiv 2202.00622), section 2")
def run_effect(units: np.ndarray, effects: np.ndarray, believed: np.ndarray | None = None) -> np.ndarray:
    """Effect of a row's unit on an outcome of trainings, in nats that it takes off the loss.

    NaN for a row that took no part, in no unit that did.

    Args:
        units: (n,) int64 number of each row's unit, negative where it has none.
        effects: (k,) of the units.
        believed: (k,) bool: an effect that is not counts as 0; None: all effects count as they are.
    """
    found = np.where(believed, effects, 0.0) if believed is not None else np.asarray(effects, np.float64)
    return np.where(units >= 0, found[np.maximum(units, 0)], np.nan)


KIND = ScoreKind(
    name="run_effect",
    ways=("run_effect",),
    spec=RunEffectSpec,
    keep=run_effect.keep,
    indicator=run_effect,
    needs=lambda spec: (Need("runs", "runs", spec.runs),),
    about=lambda spec: (
        f"What the unit of each row does to {spec.toward or 'the outcomes'} in the trainings of `runs/{spec.runs}`."
    ),
    made_when_read=True,
)
"""The kind of the files with ``how: run_effect``."""
