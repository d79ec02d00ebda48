"""What a recipe selects for. Belongs here: its targets, told from its file and from those of the scores it reads."""

from collections.abc import Mapping

from datasel_assets.indicators.score_kinds import score_name
from datasel_assets.indicators.score_kinds import targets_of as targets_of_score
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.specs.score import ScoreSpec


def targets_of(recipe: RecipeSpec, scores: Mapping[str, ScoreSpec]) -> set[str]:
    """Return the targets that a recipe selects for: those of its samplers, and those that its scores are made toward.

    Args:
        recipe: a recipe.
        scores: the files in ``scores/``, by name.
    """
    needs = recipe.requires()
    read = [spec for name, spec in scores.items() if score_name(name, spec) in needs.scores]
    return {target for _, target in needs.targets} | {target for spec in read for target in targets_of_score(spec)}
