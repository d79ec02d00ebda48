"""The decision ledger: for every row of the pool whether it was kept, at which stage it fell, and why in words.

Belongs here: turning a sampler's order into the two result tables. Does not: any choice of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter

import numpy as np
import polars as pl

from datasel_assets.recipes.budget import Filled, Limits
from datasel_assets.recipes.drop_rules import COPIES
from datasel_assets.recipes.inputs import told_column
from datasel_assets.samplers import Sample
from datasel_assets.samplers.wording import wording_of
from datasel_assets.specs.recipe import RecipeSpec

SELECTED_SCHEMA = pl.Schema(
    {
        "row_id": pl.String,
        "source": pl.String,
        "rank": pl.Int32,
        "score": pl.Float32,
        "weight": pl.Float32,
        "selected_for": pl.String,
        "n_tokens": pl.Int64,
        "n_response_tokens": pl.Int64,
        "cumulative_n_tokens": pl.Int64,
        "cumulative_n_response_tokens": pl.Int64,
    }
)
"""One line per selected row, best first; ``rank`` counts from 1 without gaps."""

DECISIONS_SCHEMA = pl.Schema(
    {
        "row_id": pl.String,
        "source": pl.String,
        "kept": pl.Boolean,
        "stage": pl.String,
        "reason": pl.String,
        "score": pl.Float32,
        "rank": pl.Int32,
        "margin": pl.Float32,
        "duplicate_of": pl.String,
        "cluster": pl.Int32,
        "selected_for": pl.String,
    }
)
"""One line per row of the pool, sorted by row_id.

``stage``: ``contaminated``, ``rule:<n>`` (n-th drop rule of the file), ``narrow:<n>`` (n-th narrowing step),
``duplicate``, ``near duplicate``, ``semantic duplicate``, ``ineligible`` (the sampler lacks an input for it),
``source cap``, ``budget``, ``kept``.
``score``: what the sampler maximised (length, similarity, distance, or an indicator, negative where low values are
kept); null where there is none. ``rank``: place in the sampler's order, from 1, before bounds per source are applied;
null for rows that were not ranked. ``margin``: score minus the lowest score that was kept (in the same group and for
the same query, where there are any), bounds per source left aside: not negative for kept rows, not positive for rows
that the budget left out; null where the sampler's order is not that of its scores. Rows kept for a source's minimum,
or left out by a maximum, can be on the other side of that line.
``selected_for``: the query whose turn took a kept row.
"""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the sampler and the budget made of the eligible rows.

    Attributes:
        sample: the order, over positions of the pool.
        filled: which rows of the order were taken.
        eligible: how many rows were eligible.
        strata: (n,) group labels when the sampler has quotas over groups.
        labels: (t,) names of the queries.
        nearest: (n,) similarity and (n,) query for rows that were not ranked, or None.
    """

    sample: Sample
    filled: Filled
    eligible: int
    strata: np.ndarray | None
    labels: Sequence[str]
    nearest: tuple[np.ndarray, np.ndarray] | None


def selected(pool: pl.DataFrame, outcome: Outcome) -> pl.DataFrame:
    """Return the selected rows, best first, as ``SELECTED_SCHEMA``."""
    sample, accepted = outcome.sample, outcome.filled.accepted
    chosen = sample.order[accepted]
    weights = np.ones(len(chosen), np.float32) if sample.weights is None else sample.weights[accepted]
    frame = _with_columns(pool, {"n_tokens": pl.Int64, "n_response_tokens": pl.Int64})[chosen].with_columns(
        rank=pl.int_range(1, len(chosen) + 1, dtype=pl.Int32),
        score=_floats(sample.scores[accepted]),
        weight=pl.Series(weights, dtype=pl.Float32),
        selected_for=_labels(sample.selected_for[accepted], outcome.labels),
        cumulative_n_tokens=pl.col("n_tokens").cum_sum(),
        cumulative_n_response_tokens=pl.col("n_response_tokens").cum_sum(),
    )
    return frame.select(SELECTED_SCHEMA.names()).cast(SELECTED_SCHEMA)


def decisions(
    pool: pl.DataFrame, marked: pl.DataFrame, spec: RecipeSpec, limits: Limits, outcome: Outcome
) -> pl.DataFrame:
    """Return one decision per row of the pool, as ``DECISIONS_SCHEMA``.

    Args:
        pool: as in ``interpreter.run_recipe``.
        marked: stage and reason of the rows that were not eligible, from ``drop_rules``.
        spec: the recipe.
        limits: its budget in numbers.
        outcome: of sampler and budget.

    Raises:
        AssertionError: some row has no decision, or two; never for a pool with unique row ids.
    """
    sample, filled = outcome.sample, outcome.filled
    n, order = pool.height, sample.order
    rank = np.zeros(n, dtype=np.int32)
    rank[order] = np.arange(1, len(order) + 1)
    score = np.full(n, np.nan, dtype=np.float32)
    if sample.row_scores is not None:
        score[:] = sample.row_scores
    query = np.full(n, -1, dtype=np.int32)
    if outcome.nearest is not None:
        score, query = outcome.nearest[0].copy(), outcome.nearest[1].copy()
    score[order], query[order] = sample.scores, sample.selected_for
    kept, capped, reserved = (_scatter(n, order, x) for x in (filled.accepted, filled.capped, filled.reserved))
    margin = _margins(score, query, outcome)
    if not wording_of(spec.select.sampler, spec.select.params).by_score:
        margin[:] = np.nan

    copies = [column for column, _ in COPIES.values() if column in pool.columns]
    pool_columns = pool.with_columns(duplicate_of=pl.coalesce(copies)) if copies else pool
    frame = _with_columns(pool_columns, {"duplicate_of": pl.String, "cluster": pl.Int32}).with_columns(
        marked["stage"],
        marked["reason"],
        kept=pl.Series(kept),
        capped=pl.Series(capped),
        reserved=pl.Series(reserved),
        rank=pl.Series(rank).replace(0, None),
        score=_floats(score),
        margin=_floats(margin),
        query=_labels(query, outcome.labels),
        value=_score_values(pool, spec),
        words=_words(pool, spec),
    )
    maximum = pl.DataFrame(
        {"source": limits.sources, "maximum": limits.maximum}, schema_overrides={"source": pl.String}
    )
    frame = frame.join(maximum, on="source", how="left", maintain_order="left")
    stage = (
        pl.when(pl.col("stage").is_not_null())
        .then("stage")
        .when("kept")
        .then(pl.lit("kept"))
        .when("capped")
        .then(pl.lit("source cap"))
        .otherwise(pl.lit("budget"))
    )
    ineligible = pl.col("stage").is_not_null()
    frame = frame.with_columns(
        stage=stage,
        reason=pl.when(ineligible).then("reason").otherwise(_reason(spec, limits, outcome)),
        selected_for=pl.when("kept").then("query"),
        score=pl.when(~ineligible).then("score"),
        margin=pl.when(~ineligible).then("margin"),
    )
    result = frame.select(DECISIONS_SCHEMA.names()).cast(DECISIONS_SCHEMA).sort("row_id")
    assert result.height == n == result["row_id"].n_unique(), "every row has exactly one decision"
    assert result["reason"].null_count() == 0, "every decision has a reason"
    return result


def _margins(score: np.ndarray, query: np.ndarray, outcome: Outcome) -> np.ndarray:
    """Return score minus the lowest kept score of the same group and query; NaN where there is none."""
    order, filled = outcome.sample.order, outcome.filled
    line = filled.accepted & ~filled.reserved
    if not line.any():
        line = filled.accepted
    strata = np.zeros(len(score), dtype=np.int64)
    if outcome.strata is not None:
        strata = np.unique(outcome.strata, return_inverse=True)[1].reshape(-1)
    cell = strata * (len(outcome.labels) + 1) + query + 1
    lowest = np.full(int(cell.max(initial=0)) + 1, np.inf)
    setters = order[line]
    setters = setters[~np.isnan(score[setters])]
    np.minimum.at(lowest, cell[setters], score[setters].astype(np.float64))
    lowest[np.isinf(lowest)] = np.nan
    return (score - lowest[cell]).astype(np.float32)


def _reason(spec: RecipeSpec, limits: Limits, outcome: Outcome) -> pl.Expr:
    """Say in words why an eligible row was kept or not."""
    place = pl.format(f"ranked {{}} of {outcome.eligible:,}", _ordinal(pl.col("rank")))
    unranked = pl.lit(f"not among the {len(outcome.sample.order):,} rows that were ranked")
    head = pl.when(pl.col("rank").is_null()).then(unranked).otherwise(place)
    if spec.select.groups is not None:
        head = pl.format("{}, taking turns by {}", head, pl.lit(spec.select.groups))
    head = pl.concat_str(head, _detail(spec).fill_null(""), (pl.lit(": ") + pl.col("words")).fill_null(""))
    rows = int(outcome.filled.accepted.sum())
    took = f"; the budget took {rows:,}"
    if limits.unit != "rows":
        took += f" rows with {outcome.filled.used:,} of {limits.total:,} {limits.unit}"
    if limits.minimum.any():
        took += ", minimums per source included"
    full = pl.format("; source {} had given its maximum of {}", "source", _thousands(pl.col("maximum")))
    for_minimum = pl.when(pl.col("reserved")).then(pl.format("; counts towards the minimum of source {}", "source"))
    end = pl.when("kept").then(for_minimum.otherwise(pl.lit(""))).when("capped").then(full).otherwise(pl.lit(took))
    return pl.concat_str(head, end)


def _detail(spec: RecipeSpec) -> pl.Expr:
    """Say in words what the sampler makes of a row (``samplers.wording``); null where it has no score."""
    wording = wording_of(spec.select.sampler, spec.select.params)
    kept = wording.kept or (", score {figures}" if spec.select.score is None else " by {by} ({value})")
    left = wording.left or kept
    unranked = wording.unranked or left
    score = pl.col("score")
    fields = {
        "by": pl.lit(spec.select.score),
        "value": pl.col("value").round_sig_figs(4),
        "score": score.round(4).cast(pl.String),
        "figures": score.round_sig_figs(4),
        "count": _thousands(score.cast(pl.Int64)),
        "query": pl.col("query"),
        "seed": pl.lit(spec.seed),
    }

    def filled(template: str) -> pl.Expr:
        parts = []
        for text, name, *_ in Formatter().parse(template):
            parts += [pl.lit(text), fields[name]] if name else [pl.lit(text)]
        return pl.concat_str(parts)

    told = filled(kept)
    if left != kept:
        told = pl.when("kept").then(told).otherwise(filled(left))
    return pl.when(pl.col("rank").is_null()).then(filled(unranked)).otherwise(told) if unranked != left else told


def _ordinal(number: pl.Expr) -> pl.Expr:
    """1st, 2nd, 3rd, 4th, ..., 11th, ..., 1,002nd."""
    last, teen = number % 10, (number % 100).is_between(11, 13)
    suffix = pl.lit("th")
    for digit, ending in ((1, "st"), (2, "nd"), (3, "rd")):
        suffix = pl.when((last == digit) & ~teen).then(pl.lit(ending)).otherwise(suffix)
    return pl.concat_str(_thousands(number), suffix)


def _thousands(number: pl.Expr) -> pl.Expr:
    """Whole numbers from 0 to 10**12 with commas between groups of three digits."""
    number = number.cast(pl.Int64)
    text = number.cast(pl.String)
    for groups in (1, 2, 3):
        parts = [(number // 1000**groups).cast(pl.String)]
        parts += [(number // 1000**g % 1000).cast(pl.String).str.zfill(3) for g in reversed(range(groups))]
        text = pl.when(number >= 1000**groups).then(pl.concat_str(parts, separator=",")).otherwise(text)
    return text


def _scatter(n: int, order: np.ndarray, values: np.ndarray) -> np.ndarray:
    out = np.zeros(n, dtype=bool)
    out[order] = values
    return out


def _floats(values: np.ndarray) -> pl.Series:
    """NaN means "none", which is null in a table."""
    return pl.Series(values.astype(np.float32)).fill_nan(None)


def _score_values(pool: pl.DataFrame, spec: RecipeSpec) -> pl.Series:
    """Return the column that the sampler ranks by as it stands in the pool, whichever way round it is maximised."""
    column = spec.select.score
    if column is None:
        return pl.Series([None] * pool.height, dtype=pl.Float64)
    return pool[column].cast(pl.Float64)


def _words(pool: pl.DataFrame, spec: RecipeSpec) -> pl.Series:
    """Return what the score of the sampler rests on, in words; null where it has none."""
    column = told_column(spec.select.score) if spec.select.score else None
    return pool[column] if column in pool.columns else pl.Series([None] * pool.height, dtype=pl.String)


def _labels(queries: np.ndarray, labels: Sequence[str]) -> pl.Series:
    return pl.Series([*labels, None], dtype=pl.String).gather(np.where(queries < 0, len(labels), queries))


def _with_columns(pool: pl.DataFrame, columns: dict[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Add the columns that the pool lacks, as nulls."""
    lacking = {name: pl.lit(None, dtype=kind) for name, kind in columns.items() if name not in pool.columns}
    return pool.select("row_id", "source", *(name for name in columns if name in pool.columns)).with_columns(**lacking)
