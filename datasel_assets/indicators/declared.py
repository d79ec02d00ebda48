"""The indicators behind scores that are written as files, one file one column: DSIR, predictability, sensitivity.

Belongs here: which indicator the columns of a kind hold, which values of it are kept. Does not: the indicators (one
file each beside this one), what the files say (``specs.score``), the tables (``tables.scores``).
"""

from types import MappingProxyType

from datasel_assets.indicators.base import Indicator, Keep
from datasel_assets.indicators.predictability import predictability
from datasel_assets.indicators.sensitivity import sensitivity
from datasel_assets.indicators.text.dsir import dsir_log_ratio
from datasel_assets.specs.score import DSIR, PREDICTABILITY, SENSITIVITY, ScoreSpec, family_of

DECLARED: MappingProxyType[str, Indicator] = MappingProxyType(
    {DSIR: dsir_log_ratio, PREDICTABILITY: predictability, SENSITIVITY: sensitivity}
)
"""Family -> the indicator that its columns hold; blends are their own."""


def keep_of(spec: ScoreSpec) -> Keep:
    """Return which values of the score are kept; a blend is always to be maximised."""
    family = family_of(spec)
    return DECLARED[family].keep if family in DECLARED else "high"
