"""Another budget or another bound for a recipe, from the tables as they stand: the answer to "what if", in seconds.

Belongs here: carrying out a changed recipe without making anything. Does not belong here: writing tables or releases;
for that the recipe's file is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.sticky import changes
from datasel_assets.registry.base import parse
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.tables.graph import GRAPH
from datasel_assets.tables.selections.recipe_inputs import PoolInputs, candidate_pool, previous_rows, stored
from datasel_assets.tables.warehouse import Warehouse


@dataclass(frozen=True, eq=False)
class Rethreshold:
    """A recipe with other bounds.

    Attributes:
        spec: the changed recipe.
        selection: what it selects.
        changes: rows that entered or left since the stored selection (``sticky.CHANGES_SCHEMA``).
    """

    spec: RecipeSpec
    selection: Selection
    changes: pl.DataFrame


def rethreshold(
    warehouse: Warehouse, name: str, budget: Mapping[str, Any] | None = None, drop: Sequence[Mapping[str, Any]] = ()
) -> Rethreshold:
    """Carry out the recipe ``name`` with another budget, or with further drop rules.

    Args:
        warehouse: whose tables are read; nothing is computed upstream of the recipe.
        name: of a recipe.
        budget: takes the place of the recipe's, such as ``{"fraction": 0.05}``; the bounds per source stay.
        drop: rules in addition to the recipe's, such as ``{"score": "text.response_mtld", "below": 20}``.

    Raises:
        ValueError: there is no such recipe, or the budget or a rule is not allowed.
        MissingTableError: a table that the recipe reads was never made.
    """
    recipes = warehouse.registry.recipes
    if name not in recipes:
        raise ValueError(f"there is no recipe {name!r}; there are: {', '.join(sorted(recipes))}")
    raw = recipes[name].model_dump(mode="json")
    if budget is not None:
        bounds = {"per_source": raw["budget"]["per_source"]}
        raw["budget"] = {**budget, **bounds} if isinstance(budget, Mapping) else budget
    raw["drop"] = [*raw["drop"], *drop]
    spec = parse(raw, RecipeSpec)
    missing = sorted(spec.requires().scores - set(warehouse.registry.score_keep()))
    if missing:
        raise ValueError(f"there is no score {missing[0]!r}")
    pool = candidate_pool(warehouse, spec, GRAPH)
    held = previous_rows(warehouse, name, spec)
    selection = run_recipe(spec, pool, PoolInputs(warehouse, pool), warehouse.registry.score_keep(), held)
    return Rethreshold(spec, selection, changes(stored(warehouse, ("decisions", name)), selection.decisions))
