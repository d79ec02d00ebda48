"""The asset that puts all recipes side by side; the random and the longest arm are always among them."""

import numpy as np
import polars as pl

from datasel_assets.defs import versions
from datasel_assets.defs.display import picture, sample_table
from datasel_assets.defs.pool import read_pool, read_vectors
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.table_asset import Built, Check, Step, TableAsset
from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.comparison import compare
from datasel_assets.diagnostics.nearest import NearestDistance, mean_nearest
from datasel_assets.diagnostics.overlap import jaccard_matrix
from datasel_assets.registry.load import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected

SHOWN = {
    "recipe": "recipe",
    "rows": "rows",
    "tokens": "tokens",
    "mean_response_tokens": "mean response",
    "sources_covered": "sources",
    "effective_clusters": "eff. clusters",
    "mean_nearest_distance": "spread",
    "overlap_with_random": "overlap random",
    "overlap_with_longest": "overlap longest",
    "top_source": "top source",
    "seconds": "s",
}
"""Columns of the table in the UI with headings short enough to stand side by side."""


def comparison_asset(registry: Registry) -> TableAsset:
    """Return the comparison of every recipe that has a selection."""
    recipes = sorted(registry.recipes)
    clustered = registry.clustered
    selections = [("selections", name) for name in recipes]

    def made(warehouse: Warehouse) -> list[str]:
        return [name for name in recipes if warehouse.lake.info(("selections", name))]

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {f"selections/{name}": warehouse.lake.version(("selections", name)) for name in made(warehouse)}
        inputs["duplicates"] = warehouse.lake.version(("duplicates",))
        if clustered:
            inputs |= warehouse.versions("clusters", clustered)
        return Expected(("comparison",), digest([versions.COMPARISON, clustered]), inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = read_pool(warehouse, clusters=clustered)
        if "cluster" not in pool.columns:
            pool = pool.with_columns(cluster=pl.lit(None, pl.Int32))
        names = made(warehouse)
        chosen = {
            name: warehouse.lake.scan(("selections", name)).select("row_id").collect()["row_id"].to_numpy()
            for name in names
        }
        spent = {str(run["stage"]): float(run["seconds"]) for run in warehouse.lake.runs()}
        seconds = {name: spent[f"selections/{name}"] for name in names if f"selections/{name}" in spent}
        nearest = _nearest(warehouse, clustered, pool, chosen)
        # Seconds differ from run to run and belong to the run log, not to a table made of content.
        figures = compare(pool, chosen, nearest=nearest)
        info = warehouse.lake.write(step.expected, figures.drop("seconds"))
        shown = compare(pool, chosen, nearest=nearest, seconds=seconds).with_columns(
            top_source=pl.col("top_sources").str.split(", ").list.first()
        )
        matrix = jaccard_matrix(chosen)
        return Built(
            info,
            len(names),
            metadata={
                "plot: overlap": picture(plots.overlap_heatmap(names, matrix), "overlap of the recipes"),
                "recipes": sample_table(shown, SHOWN, rows=len(names)),
                "pool_rows": pool.height,
            },
            checks={
                "control_arms": Check(
                    {"random", "longest"} <= set(names),
                    {"recipes": ", ".join(names)},
                )
            },
        )

    return TableAsset(
        key=("comparison",),
        description=(
            "Every recipe side by side: size, tokens, sources and clusters covered, spread, overlap (Jaccard). Judge a "
            "recipe against `random` and `longest`, which cost nothing."
        ),
        group="selections",
        deps=[("duplicates",), *([("clusters", clustered)] if clustered else []), *selections],
        expect=expect,
        build=build,
        checks={"control_arms": "the recipes random and longest are among those compared"},
        kinds=frozenset({"parquet", "polars"}),
        code_version=versions.COMPARISON,
    )


def _nearest(
    warehouse: Warehouse, representation: str | None, pool: pl.DataFrame, chosen: dict[str, np.ndarray]
) -> dict[str, NearestDistance]:
    """Return the mean nearest-neighbour distance of each selection, by the vectors that clusters are made of."""
    if representation is None:
        return {}
    vectors = read_vectors(warehouse, representation, pool)
    ids = pool["row_id"].to_numpy()
    found = {}
    for name, selected in chosen.items():
        rows = np.searchsorted(ids, selected)
        rows = rows[~vectors.missing[rows]]
        found[name] = mean_nearest(vectors.vectors.take(rows), ids[rows])
    return found
