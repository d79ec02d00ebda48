"""What the comparison's advice is made from: further random draws, the aims of the data folder, trainings.

Belongs here: reading them from the warehouse. Does not belong here: choosing and wording (``diagnostics.recommend``).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from datasel_assets.diagnostics.aims import QUALITY, target_measure
from datasel_assets.diagnostics.measures import MEASURES, Measure
from datasel_assets.diagnostics.outcomes import outcomes
from datasel_assets.diagnostics.recommend import Advice, Aim, Candidates, recommend
from datasel_assets.diagnostics.spread import Spread, gains, random_draws
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.lake import Key
from datasel_assets.tables.selections.proxy_eval import PROXY_EVAL
from datasel_assets.tables.warehouse import Warehouse

RANDOM = "random"
DRAWS: Key = ("random_draws",)
"""The figures of the draws, a companion of the comparison."""

ELIGIBLE = ("kept", "budget", "source cap")
"""Stages of a decision about a row that the recipe could have taken."""

SAME_VECTORS = "the measure uses vectors that recipes of this kind select with, so only a training proves it"
OWN_SCORE = "the measure is a score that some of the recipes select with, so only a training proves it"


def further_draws(warehouse: Warehouse, chosen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return further draws as the random recipe makes them; none where it has no selection."""
    if RANDOM not in chosen or not warehouse.lake.info(("decisions", RANDOM)):
        return {}
    could = pl.col("stage").is_in(ELIGIBLE)
    ids = warehouse.lake.scan(("decisions", RANDOM)).filter(could).select("row_id").collect()["row_id"]
    return random_draws(ids.to_numpy(), len(chosen[RANDOM]))


def trained_keys(warehouse: Warehouse, recipes: Sequence[str]) -> list[Key]:
    """Return the keys of the trainings that tried out the selections as they are now."""
    found: list[Key] = []
    for name in recipes:
        info = warehouse.lake.info((PROXY_EVAL.name, name))
        if info and info.inputs.get(f"selections/{name}") == warehouse.lake.version(("selections", name)):
            found.append((PROXY_EVAL.name, name))
    return found


def advice(
    warehouse: Warehouse, figures: pl.DataFrame, spread: Spread, measures: Mapping[str, Measure]
) -> list[Advice]:
    """Return which recipe to use for each aim.

    Args:
        warehouse: trainings are read from it.
        figures: a line per recipe, with ``rows`` and ``cpu_seconds``.
        spread: of the random draws.
        measures: that recipes are judged by.
    """
    names = figures["recipe"].to_list()
    rows = dict(figures.select("recipe", "rows").iter_rows())
    known = Candidates(
        gains=gains(figures, spread, measures),
        figures={row["recipe"]: row for row in figures.iter_rows(named=True)},
        costs={name: cost for name, cost in figures.select("recipe", "cpu_seconds").iter_rows() if cost is not None},
        outcomes={key[-1]: outcomes(warehouse.lake.scan(key).collect()) for key in trained_keys(warehouse, names)},
        sizes={name: rows[name] / rows[RANDOM] for name in names} if rows.get(RANDOM) else {},
    )
    return recommend(known, spread, aims_of(warehouse.registry), measures)


def aims_of(registry: Registry) -> list[Aim]:
    """Return what a training set of this data folder may be for: each target, then what no target says."""
    targets = [
        Aim(f"Toward {name}", target_measure(name), held_out=f"target: {name}", note=SAME_VECTORS)
        for name in registry.aims
    ]
    return [
        *targets,
        Aim("For rows of high quality", QUALITY, note=OWN_SCORE),
        Aim("For rows that differ most", MEASURES["vendi"]),
        Aim("To stand for the whole pool", MEASURES["facility_location"]),
    ]
