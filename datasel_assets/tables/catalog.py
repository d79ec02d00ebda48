"""The table that publishes the DuckDB file: views over every table of the lake, and a few small tables.

Belongs here: which tables become which views. Does not belong here: SQL (``storage.catalog``), and what kinds of tables
there are (``graph``).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from datasel_assets.storage.catalog import EXAMPLE_QUERIES, build_catalog, runs_frame
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key, TableInfo
from datasel_assets.tables.shown import FilePath, sample_table
from datasel_assets.tables.table import Built, Kind, Per, Step, Table
from datasel_assets.tables.warehouse import Warehouse

CATALOG = Kind("catalog", version="3")

FILE = "datasel.duckdb"

KindOf = Callable[[Key], Kind | None]
"""Tells the kind of a table in the lake."""


@dataclass
class CatalogView:
    """One view: the tables of all sources or recipes, or one table of the pool.

    Attributes:
        label: column that the last part of each key fills; None for a table of the pool.
        files: their Parquet files.
        rows: in all of them.
    """

    label: Per | None
    files: list[Path] = field(default_factory=list)
    rows: int = 0


def catalog_table(reads: Sequence[Key], kind_of: KindOf) -> Table:
    """Return the catalog; it reads every other table."""

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {"/".join(info.key): info.data_version for info, _ in _listed(warehouse, kind_of)}
        path = warehouse.settings.warehouse / FILE
        # Views name files by absolute path: a moved warehouse needs a new catalog, and so does a deleted one.
        there = str(path) if path.is_file() else "no"
        return Expected((CATALOG.name,), digest([CATALOG.version]), inputs | {FILE: there})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        path = warehouse.settings.warehouse / FILE
        views = catalog_views(warehouse, kind_of)
        done = build_catalog(
            path,
            {name: view.files for name, view in views.items()},
            _small(warehouse),
            labels={name: view.label for name, view in views.items() if view.label},
        )
        listing = pl.DataFrame({"view": list(views), "rows": [view.rows for view in views.values()]})
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
        kind=CATALOG,
        key=(CATALOG.name,),
        description=(
            "`datasel.duckdb`: one view per table of the lake, joined across sources and recipes. Built beside the old "
            "file and swapped whole, so readers never wait and never see half a state."
        ),
        group="comparison",
        reads=list(reads),
        expect=expect,
        build=build,
        lenient=True,
        comes_last=True,
        pool="duckdb",
        kinds=frozenset({"duckdb"}),
        version=CATALOG.version,
    )


def catalog_views(warehouse: Warehouse, kind_of: KindOf) -> dict[str, CatalogView]:
    """Return the views by name: tables of sources or recipes are united, names keep the rest of their key."""
    views: dict[str, CatalogView] = {}
    for info, per in _listed(warehouse, kind_of):
        parts = info.key if per == "pool" else info.key[:-1]
        name = "_".join(parts).replace("-", "_")
        view = views.setdefault(name, CatalogView(None if per == "pool" else per))
        view.files += info.files
        view.rows += info.rows
    return views


def _listed(warehouse: Warehouse, kind_of: KindOf) -> list[tuple[TableInfo, Per]]:
    """Return the Parquet tables that belong to the pool as it is now: no retired source, no removed recipe."""
    names = {"source": set(warehouse.active_sources()), "recipe": set(warehouse.registry.recipes)}
    found = []
    for key in warehouse.lake.tables():
        kind = kind_of(key)
        if kind is None or kind == CATALOG or (kind.per != "pool" and key[-1] not in names[kind.per]):
            continue
        info = warehouse.lake.info(key)
        if info and info.files:
            found.append((info, kind.per))
    return found


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
