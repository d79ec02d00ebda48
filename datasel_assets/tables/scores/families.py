"""What all families of scores have in common: one table per source, a float32 column per indicator.

Belongs here: versions and meanings of their columns, their checks, what their pages show, their tables of single turns.
Does not belong here: any family (a file each), and scores of one column (``declared``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    info = step.warehouse.lake.require(step.expected.key)
    outside = _outside(step.warehouse.lake.scan(step.expected.key), indicators)
    return {
        "covers_corpus": Check(info.rows == update.new + update.reused, {"rows": info.rows}),
        "within_bounds": Check(not outside, {"columns": len(indicators), **outside}),
    }


def score_facts(step: Step, indicators: Mapping[str, Indicator]) -> dict[str, Any]:
    """Return what the page of a family shows: distributions, and rows that say what a number means."""
    table = step.warehouse.lake.scan(step.expected.key)
    keep = {column: indicator.keep for indicator in indicators.values() for column in indicator.columns}
    missing = table.select(pl.col(column).fill_null(np.nan).is_nan().mean() for column in keep).collect(
        engine="streaming"
    )
    shares = [share or 0.0 for share in missing.row(0)]
    title = f"{step.expected.key[1]} scores of {step.source}"
    return {
        "plot: distributions": picture(plots.score_grid(ReadWhenAsked(table, list(keep)), title), title),
        "missing_share": round(float(np.mean(shares)), 4),
        "rows": extreme_rows(step.warehouse, table, keep, step.source),
        "corpus": table_link("corpus"),
    }


class ReadWhenAsked(Mapping[str, np.ndarray]):
    """The columns of a stored table, each read when it is asked for.

    A table of a million rows and a hundred scores need not lie in memory to be drawn column by column.
    """

    def __init__(self, table: pl.LazyFrame, columns: Sequence[str]) -> None:
        self._table, self._columns = table, columns

    def __getitem__(self, column: str) -> np.ndarray:
        if column not in self._columns:
            raise KeyError(column)
        return self._table.select(column).collect()[column].to_numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


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


def _outside(scores: pl.DataFrame | pl.LazyFrame, indicators: Mapping[str, Indicator]) -> dict[str, int]:
    """Return the columns with values out of bounds (up to float32 rounding), and how many."""
    scores = scores.lazy()
    there, counts = set(scores.collect_schema().names()), {}
    for indicator in indicators.values():
        low, high = indicator.bounds
        slack = 1e-4 * max(1.0, abs(low or 0.0), abs(high or 0.0))
        low, high = -np.inf if low is None else low - slack, np.inf if high is None else high + slack
        for value in map(pl.col, filter(there.__contains__, indicator.columns)):
            counts[value.meta.output_name()] = (value.is_not_nan() & ~value.is_between(low, high)).sum()
    found = scores.select(**counts).collect(engine="streaming").row(0, named=True) if counts else {}
    return {column: rows for column, rows in found.items() if rows}
