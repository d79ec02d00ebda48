"""The table of rows whose vector lies close to that of a row that stays, across all sources."""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.corpus.semantic_duplicates import deita_filter, semdedup
from datasel_assets.specs.duplicates import SemanticSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.duplicates.exact_duplicates import DUPLICATES
from datasel_assets.tables.duplicates.listed_pairs import CHECKS, shown_pairs, stay_checks
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.vectors.clusters import CLUSTERS, centroid_distances
from datasel_assets.tables.vectors.representations import REPRESENTATIONS
from datasel_assets.tables.warehouse import Warehouse

SEMANTIC_DUPLICATES = Kind("semantic_duplicates")


def semantic_duplicates_table(spec: SemanticSpec, clustered: str) -> Table:
    """Return the table of semantic duplicates by the vectors and clusters of the representation ``clustered``."""
    fingerprint = digest([SEMANTIC_DUPLICATES.version, spec.model_dump(), clustered])
    rule = (
        "to an earlier row of its cluster, farthest from the centroid first (SemDeDup)"
        if spec.rule == "semdedup"
        else "to a row that was kept, longest response first (DEITA)"
    )
    return Table(
        kind=SEMANTIC_DUPLICATES,
        key=(SEMANTIC_DUPLICATES.name,),
        description=f"Rows whose `{clustered}` vector has a cosine above {spec.threshold} {rule}.",
        group="duplicates",
        reads=[(CORPUS.name,), (DUPLICATES.name,), (REPRESENTATIONS.name, clustered), (CLUSTERS.name, clustered)],
        expect=partial(_expect, fingerprint, clustered),
        build=partial(_build, spec, clustered),
        checks=CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
    )


def _expect(fingerprint: str, clustered: str, warehouse: Warehouse, source: str | None) -> Expected:
    inputs = warehouse.versions(REPRESENTATIONS.name, clustered) | warehouse.versions(CLUSTERS.name, clustered)
    return Expected((SEMANTIC_DUPLICATES.name,), fingerprint, inputs)


def _build(spec: SemanticSpec, clustered: str, step: Step) -> Built:
    warehouse = step.warehouse
    pool = read_pool(warehouse, clusters=clustered)
    found = read_vectors(warehouse, clustered, pool)
    if spec.rule == "semdedup":
        distance = centroid_distances(warehouse, clustered, pool)
        labels = pool["cluster"].fill_null(-1).to_numpy()
        made = semdedup(found.vectors, labels, distance, spec.threshold, pool["row_id"].to_numpy().astype(np.str_))
    else:
        by_length = pool.select(pl.arg_sort_by(-pl.col("response_chars").cast(pl.Int64), "row_id")).to_series()
        made = deita_filter(found.vectors, by_length.to_numpy(), spec.threshold)
    table = made.table(pool["row_id"])
    info = warehouse.lake.write(step.expected, table)
    return Built(
        info,
        table.height,
        metadata={
            "rule": spec.rule,
            "pool_rows": pool.height,
            "duplicates": table.height,
            "share_of_pool": round(table.height / max(pool.height, 1), 5),
            "clusters": table_link(CLUSTERS.name, clustered),
            "pairs": shown_pairs(warehouse, table),
        },
        checks=stay_checks(table, {"threshold": spec.threshold}, 1.0, spec.threshold),
    )
