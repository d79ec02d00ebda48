"""What a recipe file may say: drop rules, samplers with their inputs, a budget, a release.

Belongs here: the YAML's shape, its error messages, and which tables a recipe needs. Does not: carrying it out
(``interpreter``), reading YAML (``registry``).
"""

from datasel_assets.recipes.schema.budget import BudgetSpec, SourceLimits
from datasel_assets.recipes.schema.drop import DropRule
from datasel_assets.recipes.schema.narrow import NarrowSpec, StageSpec, TakeSpec, VoteSpec
from datasel_assets.recipes.schema.recipe import Needs, RecipeSpec, ReleaseSpec
from datasel_assets.recipes.schema.select import OWN_GROUPS, SelectSpec

__all__ = [
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
