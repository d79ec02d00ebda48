"""The asset of the scores that depend on the other rows of the pool: nearest neighbours, centroid, spread."""

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.arrays.nearest_neighbours import STORED, Neighbours, nearest_neighbours, update_neighbours
from datasel_assets.diagnostics import plots
from datasel_assets.indicators import neighbours as maths
from datasel_assets.registry.load import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.pool import NEIGHBOURS_TABLE, read_pool, read_vectors
from datasel_assets.tables.scores.scores import column_texts, extreme_rows
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.clusters import centroid_distances
from datasel_assets.tables.warehouse import Warehouse


def neighbours_asset(name: str, registry: Registry) -> Table:
    """Return the asset of the family ``neighbours``, over the vectors of the representation ``name``."""
    clustered = registry.clustered
    fingerprint = digest([versions.NEIGHBOURS, {i.name: i.version for i in maths.NEIGHBOURS.values()}, STORED])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("representations", name)
        inputs |= warehouse.versions("clusters", clustered) if clustered else {}
        return Expected(NEIGHBOURS_TABLE, fingerprint, inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = read_pool(warehouse).select("row_id", "source")
        vectors = read_vectors(warehouse, name, pool).vectors.take(np.arange(pool.height))
        made_by = _vectors_version(warehouse, name)
        stored = _stored(step, pool, made_by)
        if stored is None:
            step.log.info("no neighbours of these vectors are stored: comparing the whole pool")
            found, new = nearest_neighbours(vectors), pool.height
        else:
            is_new, lists = stored
            found, new = update_neighbours(vectors, lists, is_new), int(is_new.sum())
        table = _table(warehouse, pool, vectors, found, clustered)
        info = warehouse.lake.write(step.expected, table, meta={"vectors": made_by, "recall": found.recall})
        columns = list(maths.NEIGHBOURS)
        frame = pl.from_arrow(table.select(["row_id", "source", *columns]))
        assert isinstance(frame, pl.DataFrame)
        values = {column: frame[column].to_numpy() for column in columns}
        known = np.isfinite(found.distance[:, 0])
        return Built(
            info,
            new,
            pool.height - new,
            metadata={
                "representation": table_link("representations", name),
                "rows_searched": found.searched,
                "recall": round(found.recall, 4),
                "rows_without_neighbours": int((~known).sum()),
                "plot: distributions": picture(plots.score_grid(values, "neighbour scores"), "neighbour scores"),
                "rows": extreme_rows(warehouse, frame, {c: maths.NEIGHBOURS[c].keep for c in columns}),
            },
            checks={
                "covers_corpus": Check(info.rows == pool.height, {"rows": pool.height}),
                "not_its_own_neighbour": Check(not (found.index == np.arange(pool.height)[:, None]).any()),
            },
        )

    return Table(
        key=("scores", "neighbours"),
        stored_as=NEIGHBOURS_TABLE,
        description=(
            f"The nearest rows of every row by the vectors of `{name}`, and what their distances say. When rows come "
            "or go, only these are compared with the pool again. Positions in `neighbours` count from 0 in the order "
            "of row_id."
        ),
        group="scores",
        reads=[("corpus",), ("duplicates",), ("representations", name)]
        + ([("clusters", clustered)] if clustered else []),
        expect=expect,
        build=build,
        checks={
            "covers_corpus": "one line for every conversation of the pool",
            "not_its_own_neighbour": "no row is listed among its own neighbours",
        },
        kinds=frozenset({"parquet", "faiss"}),
        version=fingerprint,
        columns=column_texts(maths.NEIGHBOURS),
        lineage={
            column: [(("clusters", clustered), "distance")]
            if column == "centroid_distance" and clustered
            else [(("representations", name), "vector")]
            for column in maths.NEIGHBOURS
        },
    )


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
    old = lake.scan(step.expected.key).select("row_id", "neighbours", "distances").collect()
    place = pool.select("row_id").with_row_index("now")
    now = old.select("row_id").join(place, on="row_id", how="left", maintain_order="left")["now"]
    moved = np.append(now.cast(pl.Int64).fill_null(-1).to_numpy(), -1)
    index = np.full((pool.height, STORED), -1, np.int64)
    distance = np.full((pool.height, STORED), np.nan, np.float32)
    here = moved[:-1]
    stays = here >= 0
    index[here[stays]] = moved[old["neighbours"].to_numpy()[stays]]
    distance[here[stays]] = old["distances"].to_numpy()[stays]
    is_new = np.ones(pool.height, bool)
    is_new[here[stays]] = False
    return is_new, Neighbours(index, distance, float(info.meta["recall"]), 0)


def _table(
    warehouse: Warehouse, pool: pl.DataFrame, vectors: np.ndarray, found: Neighbours, clustered: str | None
) -> pa.Table:
    scores = {
        "nearest_distance": maths.nearest_distance(found.distance),
        "knn_distance": maths.knn_distance(found.distance),
        "mean_neighbour_distance": maths.mean_neighbour_distance(found.distance),
        "centroid_distance": maths.centroid_distance(
            centroid_distances(warehouse, clustered, pool) if clustered else np.full(pool.height, np.nan)
        ),
        "row_variance": maths.row_variance(vectors),
    }
    width = STORED
    ids = pool["row_id"].to_numpy()
    nearest = [ids[i] if i >= 0 else None for i in found.index[:, 0]]
    return pa.table(
        {
            "row_id": pa.array(ids),
            "source": pool["source"].to_arrow().cast(pa.string()),
            **{name: pa.array(values.astype(np.float32)) for name, values in scores.items()},
            "nearest": pa.array(nearest, pa.string()),
            "neighbours": pa.FixedSizeListArray.from_arrays(pa.array(found.index.ravel(), pa.int32()), width),
            "distances": pa.FixedSizeListArray.from_arrays(pa.array(found.distance.ravel()), width),
        }
    )
