"""Which kinds of scores are written as files, one file one column.

Belongs here: the list of them, and the kind of a file. Does not: what a kind is (``score_kind``), any kind (one file
each beside this one), the files (``registry``), the tables (``tables.scores``).
"""

from types import MappingProxyType

from datasel_assets.indicators import (
    blend,
    by_category,
    clean_probability,
    constraints_kept,
    given,
    gradient_norm,
    influence,
    pair_similarity,
    predictability,
    run_effect,
    sensitivity,
    similarity,
    turns,
)
from datasel_assets.indicators.score_kind import ScoreKind
from datasel_assets.indicators.text import dsir
from datasel_assets.specs.score import ScoreSpec

KINDS: MappingProxyType[str, ScoreKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            blend.KIND,
            clean_probability.KIND,
            by_category.KIND,
            constraints_kept.KIND,
            dsir.KIND,
            given.KIND,
            gradient_norm.KIND,
            influence.KIND,
            pair_similarity.KIND,
            predictability.KIND,
            run_effect.KIND,
            sensitivity.KIND,
            similarity.KIND,
            turns.KIND,
        )
    }
)
"""Family (the first part of the score's name in a recipe) -> its kind."""

_BY_SPEC = {kind.spec: kind for kind in KINDS.values()}


def kind_of(spec: ScoreSpec) -> ScoreKind:
    """Return the kind of the score of a file."""
    return _BY_SPEC[type(spec)]


def score_name(name: str, spec: ScoreSpec) -> str:
    """Return how recipes call the score of the file ``name``."""
    return f"{kind_of(spec).name}.{name}"


def targets_of(spec: ScoreSpec) -> set[str]:
    """Return the targets that a score measures the distance to."""
    return {str(need.name) for need in kind_of(spec).needs(spec) if need.what == "example"}
