"""What a recipe file may say: drop rules, samplers with their inputs, a budget, a release.

Belongs here: the YAML's shape, its error messages, and which tables a recipe needs. Does not: carrying it out
(``recipes.interpreter``), reading YAML (``registry``).
"""

from datasel_assets.specs.recipe.budget import BudgetSpec, SourceLimits
from datasel_assets.specs.recipe.drop import DropRule
from datasel_assets.specs.recipe.narrow import NarrowSpec, StageSpec, TakeSpec, VoteSpec
from datasel_assets.specs.recipe.recipe import Needs, RecipeSpec, ReleaseSpec
from datasel_assets.specs.recipe.select import CLUSTER_DISTANCE, OWN_GROUPS, SelectSpec

__all__ = [
    "CLUSTER_DISTANCE",
    "OWN_GROUPS",
    "BudgetSpec",
    "DropRule",
    "NarrowSpec",
    "Needs",
    "RecipeSpec",
    "ReleaseSpec",
    "SelectSpec",
    "SourceLimits",
    "StageSpec",
    "TakeSpec",
    "VoteSpec",
]
