"""Which files are made although they say that they are made only when something reads them.

Belongs here: following the readers of representations. Does not: scores (``score``), gradients (``gradients``).
"""

from datasel_assets.indicators.score_kinds import kind_of
from datasel_assets.registry.registry import Registry
from datasel_assets.registry.score import scores_in_use
from datasel_assets.specs.representation import RepresentationSpec


def representations_in_use(registry: Registry) -> dict[str, RepresentationSpec]:
    """Return the representations that are made: all of them, but for those ``made_when_read`` that nothing reads."""
    read = {registry.clustered, registry.neighboured}
    read |= {name for recipe in registry.recipes.values() for name in recipe.requires().representations}
    read |= {spec.representation for spec in registry.categories.values()}
    read |= {spec.embedding.representation for spec in registry.evaluations.values() if spec.embedding}
    for name in scores_in_use(registry.scores, registry.recipes, registry.duplicates):
        spec = registry.scores[name]
        read |= {need.name for need in kind_of(spec).needs(spec) if need.what in ("vector", "cluster", "distance")}
    return {
        name: spec for name, spec in sorted(registry.representations.items()) if not spec.made_when_read or name in read
    }
