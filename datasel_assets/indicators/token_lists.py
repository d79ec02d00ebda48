"""Token statistics as columns of a table: each row holds the list of its turns, or of its response tokens.

Belongs here: packing :class:`~datasel_assets.indicators.token_table.TokenStats` into columns and reading them back, and
what such columns say about a whole table. Does not belong here: the passes that fill them
(:mod:`datasel_assets.models.token_passes`), the indicators made of them (:mod:`datasel_assets.indicators.tokens`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.indicators.token_table import TokenStats
from datasel_assets.specs.language_model import CONDITIONED

TURN = {
    "turn": pl.Int32,
    "count": pl.Int64,
    "sum_logp": pl.Float64,
    "sum_entropy": pl.Float64,
    "sum_top1": pl.Float64,
    "sum_margin": pl.Float64,
    "min_margin": pl.Float64,
    "sum_el2n": pl.Float64,
    "sum_hit": pl.Float64,
    "truncated": pl.Boolean,
    "reason": pl.String,
}
"""An entry of a context: one assistant turn, as in ``TokenStats``; of ``choices`` one choice in one prompt, of
``prompt`` one message of the user."""

TURNS = pl.List(pl.Struct(TURN))
"""Type of the column of a context."""

RECORDS = {
    "token": (pl.Int32, "Ids of the response tokens, turn after turn; `conditioned` has the count of each turn."),
    "token_logp": (pl.Float32, "Natural log-probability of each."),
    "token_entropy": (pl.Float16, "Entropy of the prediction there, in nats."),
    "token_top1": (pl.Float16, "Largest probability there."),
    "token_top2": (pl.Float16, "Second largest probability there."),
    "token_sum_p2": (pl.Float16, "Sum of the squared probabilities there."),
    "token_hit": (pl.Boolean, "Whether the token is the most likely one."),
}
"""Columns with an entry for each response token: type of the entries, what they mean."""


def turns_column(stats: TokenStats) -> pl.Series:
    """Return the turns of each of n rows as a list of structs, (n,) of type :data:`TURNS`."""
    columns = stats.columns()
    turns = pl.DataFrame({name: columns[name] for name in TURN}, schema=TURN).to_struct()
    return _listed(turns, np.bincount(columns["row"], minlength=stats.n_rows))


def record_columns(stats: TokenStats) -> dict[str, pl.Series]:
    """Return the columns of :data:`RECORDS`: for each of n rows the list of its response tokens.

    Args:
        stats: with the records of its tokens.
    """
    assert stats.tokens is not None, "records are packed where the pass kept them"
    counts = np.bincount(stats.row, stats.count, stats.n_rows).astype(np.int64)
    made = {}
    for column, (dtype, _) in RECORDS.items():
        values = getattr(stats.tokens, column.removeprefix("token_"))
        values = values.astype(np.float16) if dtype == pl.Float16 else values
        made[column] = _listed(pl.Series(values, dtype=dtype), counts)
    return made


def stats_of(column: pl.Series) -> TokenStats:
    """Return the statistics behind a column of :func:`turns_column`; a null has no turns."""
    lengths = column.list.len().fill_null(0).to_numpy()
    turns = column.explode().drop_nulls().struct.unnest() if lengths.sum() else pl.DataFrame(schema=TURN)
    arrays = {name: turns[name].to_numpy() for name in TURN if name != "reason"}
    reason = turns["reason"].to_numpy().astype(object)
    row = np.repeat(np.arange(len(column)), lengths)
    return TokenStats.from_columns({"row": row, **arrays, "reason": reason}, len(column))


def coverage(table: pl.LazyFrame, contexts: Sequence[str]) -> dict[str, Any]:
    """Return what was scored in a whole table of statistics, and why what was not was not.

    Args:
        table: a column of type :data:`TURNS` for each context.
        contexts: those whose reasons are told, if they are not one of a numbered series; the sums are those of
            ``conditioned``.
    """
    turns = table.select(pl.col(CONDITIONED).explode()).drop_nulls().unnest(CONDITIONED)
    sums = turns.select(turns=pl.len(), scored_tokens=pl.col("count").sum(), turns_truncated=pl.col("truncated").sum())
    facts: dict[str, Any] = {name: int(value) for name, value in sums.collect().row(0, named=True).items()}
    for context in (context for context in contexts if not context[-1].isdigit()):
        reasons = table.select(pl.col(context).list.eval(pl.element().struct.field("reason")).explode())
        found = reasons.filter(pl.col(context) != "").group_by(context).len().sort("len", context, descending=True)
        facts |= {f"not scored, {context}: {reason}": count for reason, count in found.collect().iter_rows()}
    return facts


def _listed(values: pl.Series, counts: np.ndarray) -> pl.Series:
    """Return ``values`` cut into a list for each row."""
    ends = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int64())
    lists = pa.LargeListArray.from_arrays(ends, values.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return pl.Series(pl.from_arrow(lists)).cast(pl.List(values.dtype))
