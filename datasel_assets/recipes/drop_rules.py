"""Which rows a recipe may choose at all, and in words why not the others.

Belongs here: drop rules and missing inputs. Does not: budgets and ranks (``budget``, ``ledger``).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from datasel_assets.specs.recipe import DropRule
from datasel_assets.storage.conditions import fitting

COPIES = {
    "duplicate": ("duplicate_of", "duplicate"),
    "near_duplicate": ("near_duplicate_of", "near duplicate"),
    "semantic_duplicate": ("semantic_duplicate_of", "semantic duplicate"),
}
"""Kind of copy in a drop rule -> the pool's column with the row that stands for it, and the stage of the ledger."""


FAILED = "failed"
"""Column of the pool with what could not be computed for a row, in words; only where something could not."""


def mark_dropped(
    pool: pl.DataFrame, rules: Sequence[DropRule], missing: Sequence[tuple[np.ndarray, str | pl.Series]] = ()
) -> pl.DataFrame:
    """Return ``stage`` and ``reason`` for the rows that cannot be chosen, null for the others, in the pool's order.

    Rows that hold an item of an evaluation come first, whatever the recipe says. Score and source rules apply in the
    order of the file. Duplicates are looked for among the rows that these leave,
    so a copy takes the place of an original that was dropped: of equal rows exactly one stays, the original (its
    ``duplicate_of`` is null) where it is left, otherwise the first by (source, row_id). Last come rows without the
    vector, cluster or length that the sampler needs.

    Args:
        pool: as in ``interpreter.run_recipe``.
        rules: the recipe's drop rules.
        missing: (n,) bool and a reason, or (n,) reasons, for each input of the last sampler that some rows lack.

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
    if "contaminated" in pool.columns:
        leaks = pl.col("contaminated").is_not_null()
        stage = pl.when(leaks).then(pl.lit("contaminated")).otherwise(stage)
        reason = pl.when(leaks).then("contaminated").otherwise(reason)
    found = pool.select("row_id", "source", stage=stage, reason=reason)
    for kind, (column, name) in COPIES.items():
        if any(rule.when == kind for rule in rules):
            found = _without_copies(found, _column(pool, column, f"the rule 'when: {kind}'"), name)
    for mask, why in missing:
        lacks = pl.Series(mask) & pl.col("stage").is_null()
        found = found.with_columns(
            stage=pl.when(lacks).then(pl.lit("ineligible")).otherwise("stage"),
            reason=pl.when(lacks).then(told(why, pool)).otherwise("reason"),
        )
    return found.select("stage", "reason")


def told(why: str | pl.Series, pool: pl.DataFrame) -> pl.Series:
    """Return why rows lack something, (n,) strings: ``why``, and what could not be computed for them.

    >>> pool = pl.DataFrame({"row_id": ["a", "b"], "failed": [None, "scores/text could not be computed: too long"]})
    >>> told("text.ttr is not known", pool).to_list()
    ['text.ttr is not known', 'text.ttr is not known; scores/text could not be computed: too long']
    """
    failed = pool[FAILED] if FAILED in pool.columns else pl.Series([None] * pool.height, dtype=pl.String)
    reason = pl.concat_str(pl.lit(why), pl.lit("; ") + failed.rename(FAILED), ignore_nulls=True)
    return pool.select(reason=reason).to_series()


def _condition(pool: pl.DataFrame, number: int, rule: DropRule) -> tuple[pl.Expr, pl.Expr]:
    if rule.source is not None:
        return pl.col("source").is_in(rule.source), pl.format("source {} is excluded", pl.col("source"))
    if rule.condition is not None:
        return _where(pool, number, rule)
    assert rule.score is not None, "the schema admits no other rule here"
    if pool.height and _column(pool, rule.score, f"drop rule {number}").null_count() == pool.height:
        raise ValueError(f"drop rule {number} looks at {rule.score}, which is not known for any row of the pool")
    value = pl.col(rule.score)
    shown = value if pool.schema[rule.score].is_integer() else value.round_sig_figs(4)
    dropped, why = pl.lit(False), pl.lit(None, dtype=pl.String)
    if rule.missing == "drop":
        dropped, why = value.is_null(), pl.lit(told(f"{rule.score} is not known", pool))
    for side, bound in (("below", rule.below), ("above", rule.above)):
        if bound is None:
            continue
        hit = (value < bound if side == "below" else value > bound).fill_null(False)
        dropped = dropped | hit
        why = pl.when(hit).then(pl.format(f"{rule.score} {{}} is {side} {bound:g}", shown)).otherwise(why)
    for side, share in (("below", rule.below_quantile), ("above", rule.above_quantile)):
        if share is None:
            continue
        # By rank and not by value, so that the share is exact however many rows tie.
        place = pl.struct(rule.score, "row_id").rank("ordinal").over(value.is_null()) - 1
        cut = (share * value.count()).floor()
        hit = ((place < cut if side == "below" else place >= cut) & value.is_not_null()).fill_null(False)
        dropped = dropped | hit
        end = f"lowest {share:.4g}" if side == "below" else f"highest {1 - share:.4g}"
        text = f"{rule.score} {{}} is in the {end} of the pool"
        why = pl.when(hit).then(pl.format(text, shown)).otherwise(why)
    return dropped, why


def _where(pool: pl.DataFrame, number: int, rule: DropRule) -> tuple[pl.Expr, pl.Expr]:
    """Return for which rows the condition of a rule is true, and in words the values that make it so."""
    assert rule.condition is not None, "only such rules come here"
    names = sorted(rule.condition.columns)
    for name in names:
        if _column(pool, name, f"drop rule {number}").null_count() == pool.height > 0:
            raise ValueError(f"drop rule {number} looks at {name}, which is not known for any row of the pool")
    values = [
        pl.format(f"{name} {{}}", pl.col(name).round_sig_figs(4) if pool.schema[name].is_float() else pl.col(name))
        for name in names
    ]
    known = pl.concat_str(
        [value.fill_null(f"{name} unknown") for name, value in zip(names, values, strict=True)], separator=", "
    )
    # No format: the condition may hold braces.
    why = pl.concat_str(pl.lit(f"where {rule.where}: "), known)
    return pl.lit(fitting(pool, rule.condition)), why


def _without_copies(found: pl.DataFrame, duplicate_of: pl.Series, name: str) -> pl.DataFrame:
    """Drop all but one of each group of copies, among the rows that no rule has dropped."""
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
    text = pl.format(f"{name} of {{}} in source {{}}", "keeper", "keeper_source")
    return copies.select(
        "row_id",
        "source",
        stage=pl.when(is_copy).then(pl.lit(name)).otherwise("stage"),
        reason=pl.when(is_copy).then(text).otherwise("reason"),
    )


def _column(pool: pl.DataFrame, name: str, who: str) -> pl.Series:
    if name not in pool.columns:
        raise ValueError(f"{who} needs the column {name!r}, which the pool lacks (it has {', '.join(pool.columns)})")
    return pool[name]
