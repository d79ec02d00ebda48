"""Exact duplicates, inside a source and across sources.

Belongs here: which rows have equal content and which of them stands for the others. Not here: near duplicates.
"""

import polars as pl

DUPLICATES_SCHEMA = {
    "row_id": pl.String,
    "duplicate_of": pl.String,
    "kind": pl.String,
    "similarity": pl.Float32,
}


def exact_duplicates(rows: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Rows whose content another row has, each with the row that represents them.

    The representative of equal contents is the row with the smallest (source, row_id), so it does not depend on the
    order of the rows or of the files. Representatives are not in the result: what it lists may be dropped.

    Args:
        rows: Columns row_id, source, content_hash, over all sources.

    Returns:
        Columns row_id, duplicate_of, kind ("exact"), similarity (1.0), sorted by row_id.
    """
    return (
        rows.lazy()
        .select("row_id", "source", "content_hash")
        .filter(pl.col("content_hash").is_duplicated())
        .sort("source", "row_id")
        .with_columns(duplicate_of=pl.col("row_id").first().over("content_hash"))
        .filter(pl.col("row_id") != pl.col("duplicate_of"))
        .select(
            "row_id",
            "duplicate_of",
            kind=pl.lit("exact", dtype=pl.String),
            similarity=pl.lit(1.0, dtype=pl.Float32),
        )
        .sort("row_id")
        .collect()
    )


def pairs_of_sources(found: pl.DataFrame, pool: pl.DataFrame) -> pl.DataFrame:
    """Count duplicates by their source and that of the row that represents them.

    Args:
        found: row_id and duplicate_of of each duplicate.
        pool: row_id and source of all rows.

    Returns:
        Columns source, of_source, rows; the commonest pair first.
    """
    origin = found.join(pool.select("row_id", "source"), on="row_id").join(
        pool.select(duplicate_of="row_id", of_source="source"), on="duplicate_of"
    )
    counted = origin.group_by("source", "of_source").len("rows")
    return counted.sort("rows", "source", "of_source", descending=[True, False, False])
