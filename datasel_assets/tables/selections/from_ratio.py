"""What a recipe that says ``budget: {fraction: from_ratio}`` selects: the fraction that its trainings have found.

Belongs here: putting the answer in its place. Does not: finding it (``ratio``).
"""

from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage.lake import Key, MissingTableError
from datasel_assets.tables.warehouse import Warehouse


def ratio_key(name: str) -> Key:
    """Return the key of the table with the answer for a recipe."""
    return ("ratio", name)


def settled(name: str, spec: RecipeSpec, warehouse: Warehouse) -> RecipeSpec:
    """Return a recipe with a number for its fraction.

    Raises:
        MissingTableError: its trainings were never carried out.
    """
    if not spec.budget.from_ratio:
        return spec
    info = warehouse.lake.info(ratio_key(name))
    if info is None:
        raise MissingTableError(
            f"recipes/{name}.yaml: budget.fraction is from_ratio, but ratio/{name} was never made, because that takes "
            f"trainings: materialise ratio/{name} on its page, or write a number"
        )
    return spec.model_copy(update={"budget": spec.budget.model_copy(update={"fraction": info.meta["fraction"]})})
