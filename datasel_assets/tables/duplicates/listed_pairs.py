"""What the pages of near and of semantic duplicates share: the checks, and pairs with their texts side by side."""

from collections.abc import Mapping

import polars as pl

from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.duplicates.minhash import TEXT
from datasel_assets.tables.shown import Rows, sample_table
from datasel_assets.tables.table import Check
from datasel_assets.tables.warehouse import Warehouse

SHOWN = 8

CHECKS = {
    "representatives_stay": "no row that stands for others is itself listed as a duplicate",
    "similar_enough": "every listed pair reaches the threshold",
}


def stay_checks(table: pl.DataFrame, details: Mapping[str, float], least: float, threshold: float) -> dict[str, Check]:
    """Return the outcomes of ``CHECKS`` for pairs of which the least alike have the similarity ``least``."""
    stays = not table["duplicate_of"].is_in(table["row_id"].implode()).any()
    return {
        "representatives_stay": Check(stays, {"duplicates": table.height}),
        "similar_enough": Check(least >= threshold - 1e-6, {**details, "least": least}),
    }


def shown_pairs(warehouse: Warehouse, table: pl.DataFrame) -> Rows:
    """Show the most and the least similar pairs, texts side by side."""
    ordered = table.sort("similarity", "row_id", descending=[True, False])
    shown = pl.concat([ordered.head(SHOWN // 2), ordered.tail(max(0, min(SHOWN // 2, ordered.height - SHOWN // 2)))])
    named = pl.concat([shown["row_id"], shown["duplicate_of"]])
    texts = pl.concat(
        warehouse.lake.scan((CORPUS.name, source))
        .filter(pl.col("row_id").is_in(named.implode()))
        .select("row_id", text=TEXT)
        for source in warehouse.active_sources()
    ).collect()
    joined = shown.join(texts, on="row_id", how="left", maintain_order="left").join(
        texts.rename({"row_id": "duplicate_of", "text": "stays"}), on="duplicate_of", how="left", maintain_order="left"
    )
    return sample_table(joined, {"similarity": "similarity", "text": "dropped", "stays": "stays"}, rows=SHOWN)
