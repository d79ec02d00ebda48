"""What all families of scores have in common: one table per source, a float32 column per indicator.

Belongs here: versions and meanings of their columns, their checks, what their pages show, their tables of single turns.
Does not belong here: any family (a file each), and scores of one column (``declared``).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.diagnostics import plots
from datasel_assets.indicators import Indicator
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Key
from datasel_assets.storage.lines import Lines, arrow_schema
from datasel_assets.tables.row_units import WholeTableError
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.shown import FilePath, picture, table_link
from datasel_assets.tables.table import Check, Kind, Step, Update

TURNS = "turn_scores"
"""Tables with one line for each turn of the sides that have more than one, beside the score table of their family."""

SCORES = Kind("scores", per="source", companions=(TURNS,))

SCORE_CHECKS = {
    "covers_corpus": "one line of scores for every conversation and no other",
    "within_bounds": "every score is missing or inside the bounds that its definition promises",
}


def column_versions(indicators: Mapping[str, Indicator], *more: object) -> dict[str, str]:
    """Return the version of each column of a family; ``more``: what else its values depend on."""
    return {
        column: digest([indicator.version, *more]) for indicator in indicators.values() for column in indicator.columns
    }


def column_texts(indicators: Mapping[str, Indicator]) -> dict[str, str]:
    """Return what each column means, from the first line of the indicator's docstring."""
    found = {}
    for indicator in indicators.values():
        for column in indicator.columns:
            side = column.removesuffix(f"_{indicator.name}") if indicator.parts else ""
            found[column] = f"{indicator.summary} Keep: {indicator.keep}." + (f" Of the {side}." if side else "")
    return found


def score_schema(columns: Iterable[str]) -> pa.Schema:
    """Return the columns of a score table: one float32 each, sorted."""
    return arrow_schema({"row_id": pl.String, **dict.fromkeys(sorted(columns), pl.Float32)})


def within_bounds(scores: pl.DataFrame, indicators: Mapping[str, Indicator]) -> pl.DataFrame:
    """Return ``scores`` if every value is missing or inside the bounds of its indicator; called before publishing.

    Raises:
        WholeTableError: a value is not; nothing is published then.
    """
    outside = _outside(scores, indicators)
    if outside:
        shown = ", ".join(f"{column} ({rows} rows)" for column, rows in outside.items())
        raise WholeTableError(f"scores outside the bounds of their definition: {shown}; nothing was published")
    return scores


def score_checks(step: Step, update: Update, indicators: Mapping[str, Indicator]) -> dict[str, Check]:
    """Return the checks of a published family table."""
    table = step.warehouse.lake.scan(step.expected.key).collect()
    outside = _outside(table, indicators)
    return {
        "covers_corpus": Check(table.height == update.new + update.reused, {"rows": table.height}),
        "within_bounds": Check(not outside, {"columns": len(indicators), **outside}),
    }


def score_facts(step: Step, indicators: Mapping[str, Indicator]) -> dict[str, Any]:
    """Return what the page of a family shows: distributions, and rows that say what a number means."""
    table = step.warehouse.lake.scan(step.expected.key).collect()
    keep = {column: indicator.keep for indicator in indicators.values() for column in indicator.columns}
    values = {column: table[column].to_numpy() for column in keep}
    title = f"{step.expected.key[1]} scores of {step.source}"
    return {
        "plot: distributions": picture(plots.score_grid(values, title), title),
        "missing_share": round(float(np.mean([np.isnan(v).mean() for v in values.values()])) if table.height else 0, 4),
        "rows": extreme_rows(step.warehouse, table, keep, step.source),
        "corpus": table_link("corpus"),
    }


def turn_table(key: Key, indicators: Mapping[str, Indicator]) -> Lines:
    """Return the table of single turns that belongs to the score table ``key``."""
    column = {name: found.name for found in indicators.values() if found.parts for name in found.columns}
    return Lines((TURNS, *key[1:]), {"part": pl.String, "turn": pl.Int32}, column)


def turn_lines(ids: pl.Series, turns: pl.DataFrame) -> pl.DataFrame:
    """Return the turns of :func:`score_conversations` with the ids of their rows."""
    return turns.drop("row").insert_column(0, ids.gather(turns["row"]).alias("row_id"))


def turn_facts(step: Step) -> dict[str, Any]:
    """Return what the page of a family shows of its table of single turns."""
    info = step.warehouse.lake.require((TURNS, *step.expected.key[1:]))
    return {"turns_scored": info.rows, "turns": FilePath(info.path)}


def _outside(scores: pl.DataFrame, indicators: Mapping[str, Indicator]) -> dict[str, int]:
    """Return the columns with values out of bounds (up to float32 rounding), and how many."""
    found = {}
    for indicator in indicators.values():
        low, high = indicator.bounds
        slack = 1e-4 * max(1.0, abs(low or 0.0), abs(high or 0.0))
        low, high = -np.inf if low is None else low - slack, np.inf if high is None else high + slack
        for column in set(indicator.columns) & set(scores.columns):
            values = scores[column].drop_nulls().drop_nans()
            wrong = values.len() - int(values.is_between(low, high).sum())
            if wrong:
                found[column] = wrong
    return found
