"""The pool as samplers see it: light columns of all active sources, and their vectors, streamed from the lake.

Belongs here: joining tables by row id. Does not belong here: where a score lies (``scores.names``), which rows are
chosen.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.recipes.inputs import category_column, told_column
from datasel_assets.specs.loop import FAMILY as LOOPS
from datasel_assets.storage.lake import MissingTableError
from datasel_assets.storage.scratch import scratch_array
from datasel_assets.storage.sorted_ids import positions
from datasel_assets.storage.vectors import vector_block
from datasel_assets.tables.score_names import score_column, score_key, score_tables
from datasel_assets.tables.warehouse import Warehouse

LIGHT_COLUMNS = ("row_id", "source", "n_turns", "n_chars", "n_tokens", "n_response_tokens")


@dataclass(frozen=True)
class PoolVectors:
    """Vectors of one representation, aligned with the rows of a pool.

    Attributes:
        vectors: n rows of float16, in memory or, above ``scratch.MAPPED_BYTES``, in a nameless temporary file.
        missing: (n,) True where a pool row has no vector or a zero vector.
    """

    vectors: ArrayVectors
    missing: np.ndarray


def read_pool(
    warehouse: Warehouse,
    *,
    clusters: str | None = None,
    categories: Iterable[str] = (),
    scores: Iterable[str] = (),
    copies: Iterable[str] = (),
) -> pl.DataFrame:
    """Return one light row per conversation of the active sources, sorted by row id.

    Columns: those of ``LIGHT_COLUMNS``, ``response_chars``, ``prompt_chars``, ``duplicate_of`` (null when unique),
    ``cluster`` where ``clusters`` names a representation, ``category.<name>`` for each of ``categories``,
    ``<kind>_of`` for each kind of ``copies``, and each of ``scores`` under its own name, null where it is not known.
    About 200 bytes per row, and 4 per score.
    """
    lake = warehouse.lake
    frames = [
        lake.scan(("corpus", source)).select(
            *LIGHT_COLUMNS,
            pl.col("response").str.len_chars().alias("response_chars"),
            pl.col("prompt").str.len_chars().alias("prompt_chars"),
        )
        for source in warehouse.active_sources()
    ]
    if not frames:
        raise ValueError(
            f"the pool is empty: no source under {warehouse.settings.data / 'sources'} has been ingested; "
            "add a YAML file there and materialise corpus for it"
        )
    pool = pl.concat(frames).collect()
    duplicates = lake.scan(("duplicates",)).select("row_id", "duplicate_of").collect()
    pool = pool.join(duplicates, on="row_id", how="left")
    if clusters:
        labels = [
            lake.scan(("clusters", clusters, source)).select("row_id", "cluster")
            for source in warehouse.active_sources()
        ]
        pool = pool.join(pl.concat(labels).collect(), on="row_id", how="left")
    for name in sorted(categories):
        found = [
            lake.scan(("categories", name, source)).select("row_id", pl.col("category").alias(category_column(name)))
            for source in warehouse.active_sources()
        ]
        pool = pool.join(pl.concat(found).collect(), on="row_id", how="left")
    for kind in copies:
        found = lake.scan((f"{kind}s",)).select("row_id", pl.col("duplicate_of").alias(f"{kind}_of")).collect()
        pool = pool.join(found, on="row_id", how="left")
    by_table: dict[tuple[str, str], list[str]] = {}
    for score in sorted({name for name in scores if "." in name}):
        by_table.setdefault(score_key(score), []).append(score)
    for key, names in by_table.items():
        pool = pool.join(_scores(warehouse, key, names), on="row_id", how="left")
    return pool.sort("row_id")


def _scores(warehouse: Warehouse, key: tuple[str, str], names: list[str]) -> pl.DataFrame:
    """Return the scores of one table for the whole pool."""
    columns = [pl.col(score_column(name)).fill_nan(None).alias(name) for name in names]
    if key[0] == LOOPS:
        columns += [pl.col("told").alias(told_column(name)) for name in names]
    found = [warehouse.lake.scan(table).select("row_id", *columns) for table in score_tables(warehouse, key)]
    return pl.concat(found).collect()


def read_vectors(warehouse: Warehouse, representation: str, pool: pl.DataFrame) -> PoolVectors:
    """Return the vectors of ``representation`` aligned with ``pool``; 2 n dim bytes.

    Raises:
        MissingTableError: no source of the pool has vectors of this representation.
    """
    lake = warehouse.lake
    keys = [("representations", representation, source) for source in sorted(pool["source"].unique().to_list())]
    keys = [key for key in keys if lake.info(key)]
    if not keys:
        raise MissingTableError(f"no source has vectors of {representation}: materialise its representations first")
    shape = (pool.height, int(lake.require(keys[0]).meta["dim"]))
    matrix = scratch_array(warehouse.settings.warehouse, shape, np.float16)
    missing = np.ones(pool.height, dtype=bool)
    order = pool["row_id"].arg_sort()
    ids = pool["row_id"].gather(order)
    for key in keys:
        for batch in lake.read_batches(key, ["row_id", "vector", "is_zero"]):
            found = positions(pl.Series(pl.from_arrow(batch.column(0)), dtype=pl.String), ids)
            # Neither a row that failed (null) nor one without a direction has a vector.
            is_zero = pl.Series(pl.from_arrow(batch.column(2)), dtype=pl.Boolean).fill_null(True).to_numpy()
            usable = (found >= 0) & ~is_zero
            rows = order.gather(found[usable]).to_numpy()
            matrix[rows] = vector_block(batch.column(1), np.float16)[usable]
            missing[rows] = False
    return PoolVectors(ArrayVectors(matrix), missing)
