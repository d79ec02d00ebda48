"""The figures of every recipe in a comparison: which inputs the diagnostics get, and which figures are stored already.

Belongs here: reading what figures are made from. Does not belong here: any formula (``diagnostics``), the page
(``comparison``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import polars as pl

from datasel_assets.diagnostics.aims import QUALITY, known_ranks, nearest_example, target_measure
from datasel_assets.diagnostics.measured import Figures, Measured, PoolFacts, measured
from datasel_assets.diagnostics.measures import MEASURES, Measure
from datasel_assets.registry.registry import Registry
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.score_names import score_key
from datasel_assets.tables.selections.recipe_inputs import PoolInputs, target_key
from datasel_assets.tables.vectors.given import UNMATCHED
from datasel_assets.tables.warehouse import Warehouse


def aim_measures(registry: Registry) -> list[Measure]:
    """Return the measures of what selections may be good at: quality, and closeness to each target where it is known.

    Targets are compared by the vectors of the clustered representation.
    """
    return [QUALITY, *(target_measure(name) for name in (registry.aims if registry.clustered else ()))]


def comparison_pool(warehouse: Warehouse) -> pl.DataFrame:
    """Return the pool with clusters (null where nothing is clustered) and the quality score where there is one."""
    clustered = warehouse.registry.clustered
    pool = read_pool(warehouse, clusters=clustered, scores=known_quality(warehouse))
    return pool if clustered else pool.with_columns(cluster=pl.lit(None, pl.Int32))


def measure(
    warehouse: Warehouse,
    pool: pl.DataFrame,
    chosen: Mapping[str, np.ndarray],
    basis: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Return the figures of every selection; those whose basis is that of the stored comparison are taken from it.

    Args:
        warehouse: is read.
        pool: from ``comparison_pool``.
        chosen: name of a selection -> row ids.
        basis: name -> what its figures are made from; without it all are measured.
        progress: gets the selections measured and to be measured.
    """
    columns = [*MEASURES, *(aim.name for aim in aim_measures(warehouse.registry))]
    facts = cache(lambda: pool_facts(warehouse, pool))  # made only where something is to be measured
    return measured(
        pool["row_id"].to_numpy(),
        chosen,
        lambda rows: facts().figures(rows),
        columns,
        basis=basis,
        known=_stored(warehouse, columns) if basis else None,
        progress=progress,
    )


def pool_facts(warehouse: Warehouse, pool: pl.DataFrame) -> PoolFacts:
    """Read what the figures of every selection from ``pool`` are made from."""
    registry, inputs = warehouse.registry, PoolInputs(warehouse, pool)
    clustered, vectors, near = registry.clustered, None, {}
    if clustered:
        vectors, missing = inputs.vectors(clustered)
        for target in registry.aims:
            known = warehouse.lake.info(target_key(registry, clustered, target))
            if known and not known.meta.get(UNMATCHED):  # one that failed or lacks vectors must not stop the rest
                examples = np.asarray(inputs.queries(clustered, target).vectors)
                near[target_measure(target).name] = nearest_example(vectors, missing, examples)
    scores = [pool[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in known_quality(warehouse)]
    tagged = registry.tagged
    return PoolFacts(
        row_ids=pool["row_id"].to_numpy().astype(np.str_),
        sources=pool["source"].to_numpy(),
        texts=inputs.texts(),
        vectors=vectors,
        clusters=pool["cluster"].fill_null(-1).to_numpy() if pool["cluster"].count() else None,
        tags=inputs.tags(tagged) if tagged and warehouse.versions("tags", tagged) else None,
        quality=known_ranks(scores[0]) if scores else None,
        near=near,
    )


def known_quality(warehouse: Warehouse) -> list[str]:
    """Return the score that stands for quality, if its table is there: a failed blend must not stop the comparison."""
    quality = warehouse.registry.quality
    return [quality] if quality and warehouse.lake.info(score_key(quality)) else []


def contaminated_rows(warehouse: Warehouse) -> np.ndarray:
    """Return the ids of the rows with any hit of an evaluation, weak ones included."""
    keys = [key for source in warehouse.active_sources() if warehouse.lake.info(key := ("contamination", source))]
    if not keys:
        return np.empty(0, dtype=np.str_)
    return pl.concat(warehouse.lake.scan(key).select("row_id") for key in keys).collect()["row_id"].unique().to_numpy()


def _stored(warehouse: Warehouse, columns: Sequence[str]) -> dict[str, Figures]:
    """Return the stored figures by their basis, of recipes, of their versions before and of random draws."""
    found = {}
    for key in (("comparison",), ("versions",), ("random_draws",)):
        table = warehouse.lake.scan(key).collect() if warehouse.lake.info(key) else pl.DataFrame()
        if {"basis", *columns} <= set(table.columns):
            found |= {row["basis"]: {name: row[name] for name in columns} for row in table.iter_rows(named=True)}
    return found
