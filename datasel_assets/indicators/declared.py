"""The kinds of scores that are written as files, one file one column: blends, DSIR, predictability, sensitivity.

Belongs here: which kinds there are, which values of each are kept, which other scores one reads. Does not: any kind
(one file each beside this one), the files (``registry``), the tables (``defs``).
"""

from types import MappingProxyType

from datasel_assets.indicators.base import Indicator, Keep
from datasel_assets.indicators.blend import BlendSpec
from datasel_assets.indicators.predictability import PredictabilitySpec, predictability
from datasel_assets.indicators.sensitivity import SensitivitySpec, sensitivity
from datasel_assets.indicators.text.dsir import DsirSpec, dsir_log_ratio

ScoreSpec = BlendSpec | DsirSpec | PredictabilitySpec | SensitivitySpec
"""What a file in ``scores/`` may hold."""

BLEND, DSIR, PREDICTABILITY, SENSITIVITY = "blend", "dsir", "predictability", "sensitivity"

KINDS: MappingProxyType[str, type[ScoreSpec]] = MappingProxyType(
    {BLEND: BlendSpec, DSIR: DsirSpec, PREDICTABILITY: PredictabilitySpec, SENSITIVITY: SensitivitySpec}
)
"""Family (the first part of the score's name in a recipe) -> what its files say."""

DECLARED: MappingProxyType[str, Indicator] = MappingProxyType(
    {DSIR: dsir_log_ratio, PREDICTABILITY: predictability, SENSITIVITY: sensitivity}
)
"""Family -> the indicator that its columns hold; blends are their own."""


def family_of(spec: ScoreSpec) -> str:
    """Return the family that the score of a file belongs to."""
    return next(family for family, kind in KINDS.items() if isinstance(spec, kind))


def keep_of(spec: ScoreSpec) -> Keep:
    """Return which values of the score are kept; a blend is always to be maximised."""
    family = family_of(spec)
    return DECLARED[family].keep if family in DECLARED else "high"


def scores_read(spec: ScoreSpec) -> list[str]:
    """Return the names of the scores that it is made from."""
    if isinstance(spec, BlendSpec):
        return [entry.score for entry in spec.inputs]
    return [spec.loss] if isinstance(spec, SensitivitySpec) else []
