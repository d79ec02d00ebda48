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
