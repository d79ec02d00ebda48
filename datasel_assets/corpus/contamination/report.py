"""What was found, evaluation by evaluation, and how far a person agrees with it.

Belongs here: counts, and precision and recall on labelled rows. Not here: finding (``index.py``, ``neighbours.py``).
"""

import polars as pl

from datasel_assets.corpus.contamination.index import TIERS


def contamination_report(hits: pl.DataFrame, summary: pl.DataFrame, n_rows: int) -> pl.DataFrame:
    """Count hits for each evaluation.

    Args:
        hits: columns of CONTAMINATION_SCHEMA, of all tiers and sources together.
        summary: ``EvaluationIndex.summary``: an evaluation without hits is listed too.
        n_rows: rows that were looked at.

    Returns:
        evaluation, items, rows_exact, rows_ngram, rows_embedding (rows by their strongest tier for this evaluation),
        items_hit and share_items_hit (by the tiers exact and ngram), share_rows (rows of any tier over ``n_rows``).
    """
    rank = pl.col("tier").replace_strict(list(TIERS), list(range(len(TIERS))), return_dtype=pl.Int8)
    rows = hits.group_by("evaluation", "row_id").agg(rank.min().alias("rank"))
    by_row = rows.group_by("evaluation").agg(
        *((pl.col("rank") == i).sum().alias(f"rows_{tier}") for i, tier in enumerate(TIERS)), pl.len().alias("rows")
    )
    by_item = (
        hits.filter(pl.col("tier") != "embedding")
        .group_by("evaluation")
        .agg(pl.col("item").n_unique().alias("items_hit"))
    )
    counts = [*(f"rows_{tier}" for tier in TIERS), "rows", "items_hit"]
    return (
        summary.select("evaluation", "items")
        .join(by_row, on="evaluation", how="left")
        .join(by_item, on="evaluation", how="left")
        .with_columns(pl.col(counts).fill_null(0).cast(pl.Int64))
        .select(
            "evaluation",
            pl.col("items").cast(pl.Int64),
            *(f"rows_{tier}" for tier in TIERS),
            "items_hit",
            share_items_hit=pl.col("items_hit") / pl.col("items"),
            share_rows=pl.col("rows") / max(n_rows, 1),
        )
        .sort("evaluation")
    )


def labelled_precision(hits: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Say which share of the labelled hits is right, for each evaluation and tier.

    Args:
        hits: columns of CONTAMINATION_SCHEMA.
        labels: row_id, evaluation, item, contaminated (bool): what a person decided about a sample of the hits.

    Returns:
        evaluation, tier, hits, labelled, right, precision, and low and high: the 95 % Wilson interval, which holds
        only if the labelled hits are a random sample of the tier. Precision is null where nothing is labelled.
    """
    joined = hits.join(
        labels.select("row_id", "evaluation", "item", "contaminated"), on=["row_id", "evaluation", "item"], how="left"
    )
    return (
        joined.group_by("evaluation", "tier")
        .agg(
            pl.len().cast(pl.Int64).alias("hits"),
            pl.col("contaminated").is_not_null().sum().cast(pl.Int64).alias("labelled"),
            pl.col("contaminated").fill_null(False).sum().cast(pl.Int64).alias("right"),
        )
        .with_columns(precision=_share("right", "labelled"))
        .with_columns(**_wilson("precision", "labelled"))
        .sort("evaluation", "tier")
    )


def labelled_recall(hits: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Say which share of the rows labelled as contaminated is found, for each evaluation and tier.

    A row counts as found by its strongest tier for the evaluation, whichever item is named.

    Args:
        hits: columns of CONTAMINATION_SCHEMA.
        labels: row_id, evaluation, item, contaminated (bool).

    Returns:
        evaluation, tier, contaminated (labelled rows), found (of those, by this tier or a stronger one), recall, and
        low and high: the 95 % Wilson interval. It says something about the pool only if the labels were not drawn
        from the hits: rows that no tier reports must be among them.
    """
    truth = labels.filter("contaminated").select("evaluation", "row_id").unique()
    place = pl.col("tier").replace_strict(list(TIERS), range(len(TIERS)), return_dtype=pl.Int8)
    best = hits.group_by("evaluation", "row_id").agg(place.min().alias("rank"))
    joined = truth.join(best, on=["evaluation", "row_id"], how="left")
    tiers = pl.DataFrame({"tier": TIERS, "order": range(len(TIERS))}, schema={"tier": pl.String, "order": pl.Int8})
    return (
        joined.join(tiers, how="cross")
        .group_by("evaluation", "tier", "order")
        .agg(
            pl.len().cast(pl.Int64).alias("contaminated"),
            (pl.col("rank") <= pl.col("order")).fill_null(False).sum().cast(pl.Int64).alias("found"),
        )
        .with_columns(recall=_share("found", "contaminated"))
        .with_columns(**_wilson("recall", "contaminated"))
        .sort("evaluation", "order")
        .drop("order")
    )


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def _wilson(share: str, n: str) -> dict[str, pl.Expr]:
    """Return the 95 % interval of Wilson (1927) as columns low and high."""
    p, count, z = pl.col(share), pl.col(n), 1.959963984540054
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * (p * (1 - p) / count + z * z / (4 * count * count)).sqrt() / (1 + z * z / count)
    return {"low": middle - half, "high": middle + half}
