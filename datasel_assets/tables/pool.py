"""The pool as samplers see it: light columns of all active sources, and their vectors, streamed from the lake.

Belongs here: joining tables by row id. Does not belong here: which rows are chosen.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.indicators.declared import DSIR, KINDS
from datasel_assets.recipes.inputs import category_column
from datasel_assets.samplers.vectors import ArrayVectors
from datasel_assets.storage.lake import MissingTableError
from datasel_assets.tables.warehouse import Warehouse

MAPPED_BYTES = 2 << 30
"""Vectors larger than this are kept in a temporary file and paged in by the kernel."""

LIGHT_COLUMNS = ("row_id", "source", "n_turns", "n_chars", "n_tokens", "n_response_tokens")


def vector_block(column: pa.Array | pa.ChunkedArray, dtype: type = np.float32) -> np.ndarray:
    """Return a fixed-size-list column as an (n, d) array without passing through Python lists; null is all zero."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = array.type.list_size
    known = array.flatten().to_numpy(zero_copy_only=False).reshape(-1, width).astype(dtype, copy=False)
    if not array.null_count:
        return known
    found = np.zeros((len(array), width), dtype)
    found[array.is_valid().to_numpy(zero_copy_only=False)] = known
    return found


def vectors_of(column: pl.Series, dtype: type = np.float32) -> np.ndarray:
    """Return a column of vectors as an (n, d) array; null is all zero."""
    return vector_block(column.to_arrow(compat_level=pl.CompatLevel.oldest()), dtype)


def vector_array(vectors: np.ndarray) -> pa.FixedSizeListArray:
    """Return (n, d) vectors as a fixed-size list of float16."""
    flat = np.ascontiguousarray(vectors, dtype=np.float16).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.shape[1])


def vector_type(dim: int) -> pa.DataType:
    """Return the Arrow type of a stored vector."""
    return pa.list_(pa.float16(), dim)


@dataclass(frozen=True)
class PoolVectors:
    """Vectors of one representation, aligned with the rows of a pool.

    Attributes:
        vectors: n rows of float16, in memory or, above ``MAPPED_BYTES``, in a nameless temporary file.
        missing: (n,) True where a pool row has no vector or a zero vector.
    """

    vectors: ArrayVectors
    missing: np.ndarray


NEIGHBOURS_TABLE = ("neighbours",)
"""One table for the whole pool, because every row is compared with all others."""


def score_key(score: str) -> tuple[str, str]:
    """Return the key of the asset whose table holds the score ``<family>.<column>``."""
    family, _, column = score.partition(".")
    return (family, column) if family in KINDS else ("scores", family)


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


def score_tables(warehouse: Warehouse, key: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the tables that the asset ``key`` of scores keeps for the pool as it is now."""
    if key[0] in KINDS and key[0] != DSIR:
        return [key]
    if key == ("scores", *NEIGHBOURS_TABLE):
        return [NEIGHBOURS_TABLE]
    return [(*key, source) for source in warehouse.active_sources()]


def _scores(warehouse: Warehouse, key: tuple[str, str], names: list[str]) -> pl.DataFrame:
    """Return the scores of one table for the whole pool."""
    stored = {name: "score" if key[0] in KINDS else name.partition(".")[2] for name in names}
    columns = [pl.col(column).fill_nan(None).alias(name) for name, column in stored.items()]
    found = [warehouse.lake.scan(table).select("row_id", *columns) for table in score_tables(warehouse, key)]
    return pl.concat(found).collect()


def read_vectors(warehouse: Warehouse, representation: str, pool: pl.DataFrame) -> PoolVectors:
    """Return the vectors of ``representation`` aligned with ``pool``; 2 n dim bytes."""
    lake = warehouse.lake
    place = pool.select("row_id").with_row_index("position")
    keys = [("representations", representation, source) for source in sorted(pool["source"].unique().to_list())]
    keys = [key for key in keys if lake.info(key)]
    if not keys:
        raise MissingTableError(f"no source has vectors of {representation}: materialise its representations first")
    matrix = _matrix(warehouse, pool.height, int(lake.require(keys[0]).meta["dim"]))
    missing = np.ones(pool.height, dtype=bool)
    for key in keys:
        for batch in lake.read_batches(key, ["row_id", "vector", "is_zero"]):
            ids = pl.DataFrame({"row_id": pl.from_arrow(batch.column(0))})
            found = ids.join(place, on="row_id", how="left", maintain_order="left")["position"]
            rows = found.fill_null(-1).cast(pl.Int64).to_numpy()
            usable = (rows >= 0) & ~batch.column(2).fill_null(True).to_numpy(zero_copy_only=False)
            matrix[rows[usable]] = vector_block(batch.column(1), np.float16)[usable]
            missing[rows[usable]] = False
    return PoolVectors(ArrayVectors(matrix), missing)


def _matrix(warehouse: Warehouse, n: int, dim: int) -> np.ndarray:
    if 2 * n * dim <= MAPPED_BYTES:
        return np.zeros((n, dim), dtype=np.float16)
    # The file has no name: it is gone when the array is, also after a crash.
    with tempfile.TemporaryFile(dir=warehouse.settings.warehouse) as file:
        return np.memmap(file, dtype=np.float16, mode="w+", shape=(n, dim))
