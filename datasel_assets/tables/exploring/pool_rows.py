"""The pool with everything that it can be filtered by: texts, scores, clusters, tags, decisions, places on a map.

Belongs here: reading the tables as they stand; what was never made is left out. Does not: filters.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.clusters.projection import Projection, project_2d
from datasel_assets.indicators.score_kinds import KINDS
from datasel_assets.recipes.inputs import category_column
from datasel_assets.storage.exploration.database import PoolDatabase
from datasel_assets.storage.exploration.filters import CLUSTER, KEPT, MAP, STAGE, TEXT, Columns
from datasel_assets.storage.lake import Key
from datasel_assets.tables.pool import read_vectors
from datasel_assets.tables.score_names import score_column, score_key, score_tables
from datasel_assets.tables.warehouse import Warehouse

EXCERPT_CHARS = 300
COUNTS = ("n_tokens", "n_response_tokens", "n_chars", "n_turns")
LENGTHS = ("response_chars", "prompt_chars")
FIT_ROWS = 20_000
BLOCK = 16_384


def open_pool(warehouse: Warehouse) -> PoolDatabase:
    """Return the pool, ready to be asked.

    Raises:
        ValueError: no source was ingested.
    """
    rows = _texts(warehouse)
    columns: dict[str, list[str]] = {"categories": [], "tags": []}
    scores = _scores(warehouse, rows)
    rows = rows.hstack(scores)
    representation = _mapped(warehouse)
    titles: list[str] = []
    if representation and (found := _united(warehouse, ("clusters", representation), ["cluster"])) is not None:
        rows = _joined(rows, found)
        titles = warehouse.lake.require(("cluster_models", representation)).meta["titles"]
    for name in sorted(warehouse.registry.categories):
        if (found := _united(warehouse, ("categories", name), ["category"])) is not None:
            rows = _joined(rows, found.rename({"category": category_column(name)}))
            columns["categories"].append(category_column(name))
    for name in sorted(warehouse.registry.tags):
        if (found := _united(warehouse, ("tags", name), ["tags"])) is not None:
            rows = _joined(rows, found.rename({"tags": f"tags.{name}"}))
            columns["tags"].append(f"tags.{name}")
    rows, recipes = _decided(warehouse, rows)
    places = _places(warehouse, representation, rows) if representation else None
    if places is not None:
        rows = rows.with_columns(pl.Series(name, places[:, axis]) for axis, name in enumerate(MAP))
    return PoolDatabase(
        rows,
        Columns(
            numbers=(*COUNTS, *LENGTHS, *scores.columns),
            sources=tuple(sorted(rows["source"].unique())),
            categories={name: tuple(rows[name].drop_nulls().unique().sort()) for name in columns["categories"]},
            tags=tuple(columns["tags"]),
            recipes=recipes,
            clusters=tuple(titles) if CLUSTER in rows.columns else (),
            has_map=places is not None,
        ),
    )


def table_versions(warehouse: Warehouse) -> dict[str, str]:
    """Return the version of every table whose rows are shown, by name."""
    shown = ("corpus", "scores", "clusters", "tags", "categories", "decisions", *KINDS)
    keys = [key for kind in shown for key in warehouse.lake.tables(kind)]
    return {"/".join(key): warehouse.lake.version(key) for key in keys}


def _texts(warehouse: Warehouse) -> pl.DataFrame:
    """Return the rows of the active sources in the order of their files: what is shown of them, what is searched."""
    if not warehouse.active_sources():
        raise ValueError("nothing has been ingested yet")
    both = pl.concat_str("prompt", pl.lit("\n"), "response", ignore_nulls=True)
    found = [
        warehouse.lake.scan(("corpus", source)).select(
            *("row_id", "source", "position"),
            *COUNTS,
            pl.col("response").str.len_chars().alias("response_chars"),
            pl.col("prompt").str.len_chars().alias("prompt_chars"),
            pl.col("prompt", "response").str.head(EXCERPT_CHARS),
            both.str.to_lowercase().str.replace_all(r"\s+", " ").alias(TEXT),
        )
        for source in warehouse.active_sources()
    ]
    return pl.concat(pl.collect_all(found)).sort("source", "position", "row_id")


def _scores(warehouse: Warehouse, rows: pl.DataFrame) -> pl.DataFrame:
    """Return every score that was made, by the name that recipes use, aligned with the rows."""
    by_table: dict[Key, list[str]] = {}
    for name in warehouse.registry.score_keep():
        by_table.setdefault(score_key(name), []).append(name)
    ids = rows.select("row_id")
    found: list[pl.DataFrame] = []
    for key, names in sorted(by_table.items()):
        tables = [table for table in score_tables(warehouse, key) if warehouse.lake.info(table)]
        if not tables:
            continue
        there = set.intersection(*(set(warehouse.lake.scan(table).collect_schema().names()) for table in tables))
        present = [name for name in sorted(names) if score_column(name) in there]
        if not present:
            continue
        picked = [
            warehouse.lake.scan(table).select(
                "row_id", *(pl.col(score_column(name)).cast(pl.Float32).fill_nan(None).alias(name) for name in present)
            )
            for table in tables
        ]
        joined = _joined(ids, pl.concat(pl.collect_all(picked))).drop("row_id")
        found.append(joined.select(name for name in present if joined[name].null_count() < joined.height))
    return pl.concat(found, how="horizontal") if found else pl.DataFrame()


def _united(warehouse: Warehouse, key: Key, columns: Iterable[str]) -> pl.DataFrame | None:
    """Return columns of a table of all sources, or None where no source has it."""
    tables = [(*key, source) for source in warehouse.active_sources()]
    found = [warehouse.lake.scan(table).select("row_id", *columns) for table in tables if warehouse.lake.info(table)]
    return pl.concat(pl.collect_all(found)) if found else None


def _joined(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    return rows.join(found, on="row_id", how="left", maintain_order="left")


def _decided(warehouse: Warehouse, rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, tuple[str, ...]]]:
    """Return the rows with whether each recipe kept them and at which stage they fell; recipe -> its stages."""
    recipes: dict[str, tuple[str, ...]] = {}
    ids, columns = rows.select("row_id"), []
    for name in sorted(warehouse.registry.recipes):
        if not warehouse.lake.info(("decisions", name)):
            continue
        found = _joined(ids, warehouse.lake.scan(("decisions", name)).select("row_id", "kept", "stage").collect())
        stages = found["stage"].drop_nulls().value_counts(sort=True)
        recipes[name] = tuple(stages.sort("count", "stage", descending=[True, False])["stage"])
        columns += [found["kept"].rename(KEPT + name), found["stage"].cast(pl.Categorical).rename(STAGE + name)]
    return rows.hstack(columns), recipes


def _mapped(warehouse: Warehouse) -> str | None:
    """Return the representation whose clusters are meant; without clusters, any that has vectors of the pool."""
    there = {key[1] for key in warehouse.lake.tables("representations")}
    first = warehouse.registry.clustered
    return first if first in there else min(there & set(warehouse.registry.representations), default=None)


def _places(warehouse: Warehouse, representation: str, rows: pl.DataFrame) -> np.ndarray:
    """Return float32 (n, 2): rows on the principal axes of the cluster means, as on the picture of the clusters.

    The axes are those of the means, weighted by size, where there are clusters; otherwise those of a sample of rows.
    """
    found = read_vectors(warehouse, representation, rows)
    usable = np.flatnonzero(~found.missing)
    places = np.full((rows.height, 2), np.nan, np.float32)
    if not len(usable):
        return places
    projection = _axes(found.vectors, usable, rows)
    for start in range(0, len(usable), BLOCK):
        block = usable[start : start + BLOCK]
        places[block] = projection.place(found.vectors.take(block))
    return places


def _axes(vectors, usable: np.ndarray, rows: pl.DataFrame) -> Projection:
    sample = usable[hash_sample(rows["row_id"].to_numpy()[usable], FIT_ROWS, 0)]
    points = np.asarray(vectors.take(sample), np.float32)
    if CLUSTER not in rows.columns:
        return project_2d(points)
    labels = rows[CLUSTER].fill_null(-1).to_numpy()[sample]
    points, labels = points[labels >= 0], labels[labels >= 0]
    numbers, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(numbers) < 3:
        return project_2d(np.asarray(vectors.take(sample), np.float32))
    sums = np.zeros((len(numbers), points.shape[1]))
    np.add.at(sums, inverse, points)
    return project_2d(sums / sizes[:, None], sizes)
