"""Which rows a recipe may choose at all, and in words why not the others.

Belongs here: drop rules and missing inputs. Does not: budgets and ranks (``budget``, ``ledger``).
"""

from collections.abc import Sequence

import polars as pl

from datasel_assets.recipes.schema import DropRule, Needs


def screen(pool: pl.DataFrame, rules: Sequence[DropRule], needs: Needs) -> pl.DataFrame:
    """Return ``stage`` and ``reason`` for the rows that cannot be chosen, null for the others, in the pool's order.

    Score and source rules apply in the order of the file. Duplicates are looked for among the rows that these leave,
    so a copy takes the place of an original that was dropped: of equal rows exactly one stays, the original (its
    ``duplicate_of`` is null) where it is left, otherwise the first by (source, row_id). Last come rows without the
    vector, cluster or length that the sampler needs.

    Args:
        pool: as in ``interpreter.run_recipe``.
        rules: the recipe's drop rules.
        needs: what the recipe reads.

    Raises:
        ValueError: a column that a rule or the sampler needs is missing, or empty for every row.
    """
    stage = pl.lit(None, dtype=pl.String)
    reason = pl.lit(None, dtype=pl.String)
    for number, rule in reversed(list(enumerate(rules, start=1))):
        if rule.when is not None:
            continue
        dropped, why = _condition(pool, number, rule)
        stage = pl.when(dropped).then(pl.lit(f"rule:{number}")).otherwise(stage)
        reason = pl.when(dropped).then(why).otherwise(reason)
    found = pool.select("row_id", "source", stage=stage, reason=reason)
    if any(rule.when == "duplicate" for rule in rules):
        found = _without_copies(found, _column(pool, "duplicate_of", "the rule 'when: duplicate'"))
    for missing, why in _missing(pool, needs):
        lacks = missing & pl.col("stage").is_null()
        found = found.with_columns(
            stage=pl.when(lacks).then(pl.lit("ineligible")).otherwise("stage"),
            reason=pl.when(lacks).then(pl.lit(why)).otherwise("reason"),
        )
    return found.select("stage", "reason")


def _condition(pool: pl.DataFrame, number: int, rule: DropRule) -> tuple[pl.Expr, pl.Expr]:
    if rule.source is not None:
        return pl.col("source").is_in(rule.source), pl.format("source {} is excluded", pl.col("source"))
    assert rule.score is not None, "the schema admits no other rule here"
    if pool.height and _column(pool, rule.score, f"drop rule {number}").null_count() == pool.height:
        raise ValueError(f"drop rule {number} looks at {rule.score}, which is not known for any row of the pool")
    value = pl.col(rule.score)
    dropped, why = pl.lit(False), pl.lit(None, dtype=pl.String)
    for side, bound in (("below", rule.below), ("above", rule.above)):
        if bound is None:
            continue
        hit = (value < bound if side == "below" else value > bound).fill_null(False)
        dropped = dropped | hit
        why = pl.when(hit).then(pl.format(f"{rule.score} {{}} is {side} {bound:g}", value)).otherwise(why)
    return dropped, why


def _without_copies(found: pl.DataFrame, duplicate_of: pl.Series) -> pl.DataFrame:
    """Drop all but one of each group of equal rows, among the rows that no rule has dropped."""
    grouped = found.with_columns(duplicate_of=duplicate_of).with_columns(
        group=pl.coalesce("duplicate_of", "row_id"), copy=pl.col("duplicate_of").is_not_null()
    )
    repeated = grouped.filter(pl.col("copy"))["group"].unique().implode()
    keepers = (
        grouped.filter(pl.col("group").is_in(repeated) & pl.col("stage").is_null())
        .sort("copy", "source", "row_id")
        .group_by("group", maintain_order=True)
        .first()
        .select("group", keeper="row_id", keeper_source="source")
    )
    copies = grouped.join(keepers, on="group", how="left", maintain_order="left")
    is_copy = pl.col("stage").is_null() & (pl.col("row_id") != pl.col("keeper")).fill_null(False)
    text = pl.format("duplicate of {} in source {}", "keeper", "keeper_source")
    return copies.select(
        "row_id",
        "source",
        stage=pl.when(is_copy).then(pl.lit("duplicate")).otherwise("stage"),
        reason=pl.when(is_copy).then(text).otherwise("reason"),
    )


def _missing(pool: pl.DataFrame, needs: Needs) -> list[tuple[pl.Series, str]]:
    """Return a mask and a reason for each input that the sampler needs."""
    missing = []
    if needs.representation is not None and "is_zero" in pool.columns:
        missing.append(
            (
                pool["is_zero"].fill_null(True),
                f"no vector in {needs.representation}, or one of zeros: nothing to compare",
            )
        )
    if needs.clusters:
        cluster = _column(pool, "cluster", "groups: cluster")
        missing.append((cluster.is_null(), "it belongs to no cluster"))
    if needs.score is not None:
        length = _column(pool, needs.score, "the sampler")
        if pool.height and length.null_count() == pool.height:
            raise ValueError(
                f"{needs.score} is not known for any row of the pool: count tokens, or choose by response_chars"
            )
        missing.append((length.is_null(), f"{needs.score} is not known"))
    return missing


def _column(pool: pl.DataFrame, name: str, who: str) -> pl.Series:
    if name not in pool.columns:
        raise ValueError(f"{who} needs the column {name!r}, which the pool lacks (it has {', '.join(pool.columns)})")
    return pool[name]
