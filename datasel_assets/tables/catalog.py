"""The asset that publishes the DuckDB file: views over every table of the lake, and a few small tables."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from datasel_assets.storage.catalog import BY_FILE, EXAMPLE_QUERIES, build_catalog, runs_frame
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables import versions
from datasel_assets.tables.shown import FilePath, sample_table
from datasel_assets.tables.table import Built, Step, Table
from datasel_assets.tables.warehouse import Warehouse

FILE = "datasel.duckdb"
PER_SOURCE, PER_RECIPE = BY_FILE["source"], BY_FILE["recipe"]


def catalog_asset(deps: Sequence[Key]) -> Table:
    """Return the catalog; it reads every other asset's tables."""

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {"/".join(key): warehouse.lake.version(key) for key in _keys(warehouse)}
        path = warehouse.settings.warehouse / FILE
        # Views name files by absolute path: a moved warehouse needs a new catalog, and so does a deleted one.
        return Expected(
            ("catalog",), digest([versions.CATALOG]), inputs | {FILE: str(path) if path.is_file() else "no"}
        )

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        path = warehouse.settings.warehouse / FILE
        views = _views(warehouse)
        done = build_catalog(path, views, _small(warehouse))
        rows = {view: sum(pq.read_metadata(file).num_rows for file in files) for view, files in views.items()}
        listing = pl.DataFrame({"view": list(rows), "rows": list(rows.values())})
        inputs = {**step.expected.inputs, FILE: str(path)}
        info = warehouse.lake.write(Expected(step.expected.key, step.expected.fingerprint, inputs), listing)
        return Built(
            info,
            listing.height,
            metadata={
                "views": sample_table(listing, ["view", "rows"], rows=60),
                "duckdb": FilePath(path),
                "megabytes": round(done.bytes / 1e6, 3),
                "example_queries": "\n\n".join(f"-- {question}\n{sql};" for question, sql in EXAMPLE_QUERIES.items()),
            },
        )

    return Table(
        key=("catalog",),
        description=(
            "`datasel.duckdb`: one view per table of the lake, joined across sources and recipes. Built beside the old "
            "file and swapped whole, so readers never wait and never see half a state."
        ),
        group="catalog",
        reads=list(deps),
        expect=expect,
        build=build,
        lenient=True,
        pool="duckdb",
        kinds=frozenset({"duckdb"}),
        version=versions.CATALOG,
    )


def _keys(warehouse: Warehouse) -> list[Key]:
    """Return the Parquet tables that belong to the pool as it is now: no retired source, no removed recipe."""
    sources, recipes = set(warehouse.active_sources()), set(warehouse.registry.recipes)
    found = []
    for key in warehouse.lake.tables():
        current = (
            key[-1] in sources
            if key[0] in PER_SOURCE
            else key[-1] in recipes
            if key[0] in PER_RECIPE
            else key[0] != "catalog"
        )
        if current and warehouse.lake.path(key).is_file():
            found.append(key)
    return found


def _views(warehouse: Warehouse) -> dict[str, list[Path]]:
    """Group the tables into views: sources and recipes are united, names keep the rest of the key."""
    views: dict[str, list[Path]] = {}
    for key in _keys(warehouse):
        parts = key[:-1] if key[0] in (*PER_SOURCE, *PER_RECIPE) else key
        views.setdefault("_".join(parts).replace("-", "_"), []).append(warehouse.lake.path(key))
    return views


def _small(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    registry = warehouse.registry
    sources = [
        {"source": name, "licence": spec.licence, "uri": ", ".join(spec.uris), "doc": spec.doc}
        for name, spec in sorted(registry.sources.items())
    ]
    recipes = [
        {"recipe": name, "doc": spec.doc, "paper": spec.paper, "spec": json.dumps(spec.model_dump(mode="json"))}
        for name, spec in sorted(registry.recipes.items())
    ]
    return {
        "sources": pl.DataFrame(sources, schema=dict.fromkeys(("source", "licence", "uri", "doc"), pl.String)),
        "recipes": pl.DataFrame(recipes, schema=dict.fromkeys(("recipe", "doc", "paper", "spec"), pl.String)),
        "runs": runs_frame(warehouse.lake.runs()),
    }
