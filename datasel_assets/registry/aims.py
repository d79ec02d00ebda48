"""What a recipe selects for. Belongs here: its targets, told from its file and from those of the scores it reads."""

from collections.abc import Mapping

from datasel_assets.indicators.declared import DSIR, ScoreSpec
from datasel_assets.indicators.text.dsir import DsirSpec
from datasel_assets.recipes.schema import RecipeSpec


def targets_of(recipe: RecipeSpec, scores: Mapping[str, ScoreSpec]) -> set[str]:
    """Return the targets that a recipe selects for: those of its samplers, and those that its scores are made toward.

    Args:
        recipe: a recipe.
        scores: the files in ``scores/``, by name.
    """
    needs = recipe.requires()
    toward = (scores.get(name.removeprefix(f"{DSIR}.")) for name in needs.scores if name.startswith(f"{DSIR}."))
    return {target for _, target in needs.targets} | {spec.target for spec in toward if isinstance(spec, DsirSpec)}
