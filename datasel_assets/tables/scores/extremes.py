"""Rows that say what a score means: the lowest, the median and the highest, with the text that it is of.

Belongs here: which rows, and how they are shown. Does not belong here: the scores.
"""

from collections.abc import Mapping

import polars as pl

from datasel_assets.tables.shown import Rows, sample_table
from datasel_assets.tables.warehouse import Warehouse

EXCERPT_CHARS = 60


def extreme_rows(
    warehouse: Warehouse, table: pl.DataFrame | pl.LazyFrame, keep: Mapping[str, str], source: str | None = None
) -> Rows:
    """Return a table with the lowest, the median and the highest row of each column: texts say what a number means.

    Args:
        warehouse: the opened data folder; texts are read from its corpus.
        table: ``row_id`` and the columns; of a lazy one, one column at a time is read.
        keep: column -> which of its values are kept.
        source: of the rows; None for those of the pool.
    """
    picked, table = [], table.lazy()
    for column, kept in keep.items():
        known = table.select("row_id", score=pl.col(column)).drop_nulls().drop_nans().collect().sort("score", "row_id")
        places = {"lowest": 0, "median": known.height // 2, "highest": known.height - 1} if known.height else {}
        picked += [(column, kept, name, *known.row(place)) for name, place in places.items()]
    frame = pl.DataFrame(picked, schema=["score_name", "keep", "place", "row_id", "value"], orient="row")
    if frame.is_empty():
        return sample_table(frame, ["score_name"])
    texts = pl.concat(
        warehouse.lake.scan(("corpus", name))
        .filter(pl.col("row_id").is_in(frame["row_id"].implode()))
        .select("row_id", "prompt", "response")
        for name in ([source] if source else warehouse.active_sources())
    ).collect()
    said = pl.when(pl.col("score_name").str.starts_with("prompt_")).then("prompt").otherwise("response")
    cell = pl.format("{}: {}", pl.col("value").round_sig_figs(3), said.str.slice(0, EXCERPT_CHARS))
    faces = (
        frame.join(texts, on="row_id", how="left", maintain_order="left")
        .with_columns(cell=cell)
        .pivot("place", index=["score_name", "keep"], values="cell", maintain_order=True)
    )
    return sample_table(faces, ["score_name", "keep", "lowest", "median", "highest"], rows=faces.height)
