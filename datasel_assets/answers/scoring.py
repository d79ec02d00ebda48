"""What rows score by the answers about them.

Belongs here: answers of a row to its columns. Does not: reading replies (``reading``), strengths of pairs (``pairs``),
rows that were not asked about (``head``).

A row has a score only where each of its turns and questions has an answer that could be read: a sum over some of the
turns, or a product of some of the questions, would be another score. Of several samples one is enough.
"""

import numpy as np
import polars as pl

from datasel_assets.answers.pairs import strengths
from datasel_assets.specs.answers import AnswersSpec, PairsSpec
from datasel_assets.specs.ask import AskSpec, ColumnSpec, Over


def row_scores(spec: AnswersSpec, ask: AskSpec, answers: pl.DataFrame) -> pl.DataFrame:
    """Return ``row_id`` and the columns of what is asked, by row id; null where a row has no score.

    Args:
        spec: of the file.
        ask: what is asked.
        answers: the lines of the tables of answers.
    """
    rows = answers.select(pl.col("row_id").unique().sort())
    if ask.about == "pair":
        both = pl.concat([answers["row_id"], answers["other"]]).unique().sort().drop_nulls()
        rows = both.alias("row_id").to_frame()
    for name, column in ask.scores.items():
        if ask.about == "pair":
            found = pair_scores(spec.pairs or PairsSpec(), column, answers, rows["row_id"])
        else:
            found = _column(column, answers)
        rows = rows.join(found.rename({"value": name}), on="row_id", how="left", maintain_order="left")
    return rows


def outcomes(column: ColumnSpec, answers: pl.DataFrame) -> pl.DataFrame:
    """Return one line per pair: ``row_id``, ``other``, ``won`` (how much the first row is preferred), ``agreed``.

    ``agreed`` says whether both orders led to the same side; null where only one was asked or read.
    """
    own = answers if column.question is None else answers.filter(pl.col("question") == column.question)
    value = pl.col(str(column.field))
    by_order = (
        own.with_columns(won=pl.when("swapped").then(1 - value).otherwise(value))
        .group_by("row_id", "other", "swapped", "question")
        .agg(pl.col("won").mean())
        .drop_nulls("won")
    )
    return (
        by_order.group_by("row_id", "other")
        .agg(
            won=pl.col("won").mean(),
            agreed=pl.when(pl.len() == 2).then((pl.col("won") > 0.5).all() | (pl.col("won") < 0.5).all()),
        )
        .sort("row_id", "other")
    )


def pair_scores(pairs: PairsSpec, column: ColumnSpec, answers: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Return ``row_id`` and ``value``, the strength of each row among those that were compared."""
    found = outcomes(column, answers)
    first, second = (rows.search_sorted(found[side]).to_numpy().astype(np.int64) for side in ("row_id", "other"))
    won = found["won"].to_numpy()
    value = strengths(first, second, won, len(rows), pairs.ridge)
    return pl.DataFrame({"row_id": rows, "value": pl.Series(value).fill_nan(None)})


def _column(column: ColumnSpec, answers: pl.DataFrame) -> pl.DataFrame:
    own = answers if column.question is None else answers.filter(pl.col("question") == column.question)
    by_sample = own.group_by("row_id", "turn", "step", "question").agg(pl.col(str(column.field)).mean().alias("value"))
    by_step = by_sample.group_by("row_id", "turn", "step").agg(_whole(column.questions))
    by_turn = by_step.group_by("row_id", "turn").agg(_whole(column.steps))
    return by_turn.group_by("row_id").agg(_whole(column.turns))


def _whole(over: Over) -> pl.Expr:
    """Return one value of several, null where one of them is missing."""
    value = pl.col("value")
    one = {
        "mean": value.mean,
        "sum": value.sum,
        "min": value.min,
        "max": value.max,
        "product": value.product,
    }[over]()
    return pl.when(value.is_not_null().all()).then(one).alias("value")
