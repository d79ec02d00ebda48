"""The family ``neighbours``: the nearest rows of every row of the pool, and the scores that follow from them.

Belongs here: the one table of the whole pool, and what of it can be kept when rows come and go. Does not belong here:
the search and the scores (``indicators.neighbours``).
"""

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.arrays.nearest_neighbours import (
    STORED,
    Neighbours,
    nearest_neighbours,
    query_index,
    update_neighbours,
)
from datasel_assets.diagnostics import plots
from datasel_assets.indicators import neighbours as maths
from datasel_assets.indicators.neighbour_lists import carried_over
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.score_names import NEIGHBOURS as FAMILY
from datasel_assets.tables.score_names import POOL_FAMILIES
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.scores.families import column_texts
from datasel_assets.tables.scores.neighbour_units import query_in_units
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.vectors.clusters import centroid_distances
from datasel_assets.tables.warehouse import Warehouse

NEIGHBOURS = Kind(FAMILY)
KEY = POOL_FAMILIES[FAMILY]
FINGERPRINT = digest([NEIGHBOURS.version, {i.name: i.version for i in maths.NEIGHBOURS.values()}, STORED])


def neighbours_table(name: str, registry: Registry) -> Table:
    """Return the table of the family ``neighbours``, over the vectors of the representation ``name``."""
    clustered = registry.clustered
    return Table(
        kind=NEIGHBOURS,
        key=("scores", FAMILY),
        stored_as=KEY,
        description=(
            f"The nearest rows of every row by the vectors of `{name}`, and what their distances say. When rows come "
            "or go, only these are compared with the pool again. Positions in `neighbours` count from 0 in the order "
            "of row_id."
        ),
        group="scores",
        reads=[("corpus",), ("duplicates",), ("representations", name)]
        + ([("clusters", clustered)] if clustered else []),
        expect=partial(_expect, name, clustered),
        build=partial(_build, name, clustered),
        checks={
            "covers_corpus": "one line for every conversation of the pool",
            "not_its_own_neighbour": "no row is listed among its own neighbours",
        },
        kinds=frozenset({"parquet", "faiss"}),
        version=FINGERPRINT,
        columns=column_texts(maths.NEIGHBOURS),
        lineage={
            column: [(("clusters", clustered), "distance")]
            if column == "centroid_distance" and clustered
            else [(("representations", name), "vector")]
            for column in maths.NEIGHBOURS
        },
    )


def _expect(name: str, clustered: str | None, warehouse: Warehouse, source: str | None) -> Expected:
    inputs = warehouse.versions("representations", name)
    inputs |= warehouse.versions("clusters", clustered) if clustered else {}
    return Expected(KEY, FINGERPRINT, inputs)


def _build(name: str, clustered: str | None, step: Step) -> Built:
    warehouse = step.warehouse
    pool = read_pool(warehouse).select("row_id", "source")
    vectors = read_vectors(warehouse, name, pool).vectors.take(np.arange(pool.height))
    made_by = _vectors_version(warehouse, name)
    query = query_in_units(step) if warehouse.mapper.elsewhere else query_index
    stored = _stored(step, pool, made_by)
    if stored is None:
        step.log.info("no neighbours of these vectors are stored: comparing the whole pool")
        found, new = nearest_neighbours(vectors, query=query), pool.height
    else:
        is_new, lists = stored
        found, new = update_neighbours(vectors, lists, is_new, query=query), int(is_new.sum())
    distance = centroid_distances(warehouse, clustered, pool) if clustered else np.full(pool.height, np.nan)
    scores = maths.neighbour_scores(distance=found.distance, cosine_distance=distance, vectors=vectors)
    table = _table(pool, found, scores)
    info = warehouse.lake.write(step.expected, table, meta={"vectors": made_by, "recall": found.recall})
    warehouse.lake.clear_shards(step.expected.key)
    itself = (found.index == np.arange(pool.height)[:, None]).any()
    return Built(
        info,
        new,
        pool.height - new,
        metadata={"representation": table_link("representations", name), **_facts(warehouse, found, table)},
        checks={
            "covers_corpus": Check(info.rows == pool.height, {"rows": pool.height}),
            "not_its_own_neighbour": Check(not itself),
        },
    )


def _facts(warehouse: Warehouse, found: Neighbours, table: pa.Table) -> dict[str, Any]:
    columns = list(maths.NEIGHBOURS)
    frame = pl.DataFrame(pl.from_arrow(table.select(["row_id", "source", *columns])))
    values = {column: frame[column].to_numpy() for column in columns}
    return {
        "rows_searched": found.searched,
        "recall": round(found.recall, 4),
        "rows_without_neighbours": int((~np.isfinite(found.distance[:, 0])).sum()),
        "plot: distributions": picture(plots.score_grid(values, "neighbour scores"), "neighbour scores"),
        "rows": extreme_rows(warehouse, frame, {c: maths.NEIGHBOURS[c].keep for c in columns}),
    }


def _vectors_version(warehouse: Warehouse, name: str) -> str:
    """Return what the vectors of all sources were made by: the same for every source unless a basis changed midway."""
    infos = [warehouse.lake.info(("representations", name, source)) for source in warehouse.active_sources()]
    return digest(sorted({info.fingerprint for info in infos if info}))


def _stored(step: Step, pool: pl.DataFrame, made_by: str) -> tuple[np.ndarray, Neighbours] | None:
    """Return (which rows are new, lists of the others with positions in today's pool), or None to start afresh."""
    lake = step.warehouse.lake
    info = lake.info(step.expected.key)
    if info is None or info.fingerprint != step.expected.fingerprint or info.meta["vectors"] != made_by:
        return None
    lists = lake.scan(step.expected.key).select("row_id", "neighbours", "distances").collect()
    return carried_over(lists, pool["row_id"], float(info.meta["recall"]))


def _table(pool: pl.DataFrame, found: Neighbours, scores: dict[str, np.ndarray]) -> pa.Table:
    first = pl.Series(found.index[:, 0])
    nearest = pool["row_id"].gather(first.set(first < 0, None))
    return pa.table(
        {
            "row_id": pool["row_id"].to_arrow().cast(pa.string()),
            "source": pool["source"].to_arrow().cast(pa.string()),
            **{name: pa.array(values.astype(np.float32)) for name, values in scores.items()},
            "nearest": nearest.to_arrow().cast(pa.string()),
            "neighbours": _lists(found.index.astype(np.int32)),
            "distances": _lists(found.distance),
        }
    )


def _lists(values: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
