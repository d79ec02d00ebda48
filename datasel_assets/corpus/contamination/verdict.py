"""What the hits of all tiers say together about a row. Not here: finding hits (``index``, ``neighbours``)."""

from collections.abc import Mapping, Sequence

import polars as pl


def hits_of_all_tiers(by_words: pl.DataFrame, by_vectors: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return all hits; a row that holds words of an evaluation needs no weaker evidence for it.

    Args:
        by_words: columns of CONTAMINATION_SCHEMA, tiers exact and ngram.
        by_vectors: likewise, tier embedding; at most one line per row and evaluation.

    Returns:
        Columns of CONTAMINATION_SCHEMA, sorted by row_id, evaluation and item.
    """
    weak = [hits.join(by_words, on=["row_id", "evaluation"], how="anti") for hits in by_vectors]
    return pl.concat([by_words, *weak]).sort("row_id", "evaluation", "item")


def blocking_hits(hits: pl.DataFrame, tiers: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return, for each row that must be kept out, its strongest hit in words.

    Args:
        hits: columns of CONTAMINATION_SCHEMA.
        tiers: evaluation -> tiers whose hits keep a row out. Words count more than vectors, then the overlap does.

    Returns:
        Columns row_id, contaminated.
    """
    blocking = pl.DataFrame(
        [(name, tier) for name, listed in tiers.items() for tier in listed],
        schema={"evaluation": pl.String, "tier": pl.String},
        orient="row",
    )
    weak = pl.col("tier") == "embedding"
    said = pl.format(
        "{} item {} of evaluation {} ({}, {})",
        pl.when(weak).then(pl.lit("may reword")).otherwise(pl.lit("holds")),
        "item",
        "evaluation",
        "tier",
        pl.when(weak)
        .then(pl.format("cosine {}", pl.col("overlap").round(3)))
        .otherwise(pl.format("{} % of its words", (100 * pl.col("overlap")).round(0).cast(pl.Int64))),
    )
    order = ["weak", "overlap", "evaluation", "item"]
    found = hits.join(blocking, on=["evaluation", "tier"], how="semi").with_columns(weak=weak)
    best = found.sort(order, descending=[False, True, False, False]).unique("row_id", keep="first")
    return best.select("row_id", contaminated=said)
