"""The family ``text``: what the text alone says about a row.

Belongs here: its table. Does not belong here: the indicators (``indicators.text``).
"""

import polars as pl

from datasel_assets.indicators import FAMILIES
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import (
    SCORE_CHECKS,
    SCORES,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    score_schema,
    turn_facts,
    turn_lines,
    turn_table,
    within_bounds,
)
from datasel_assets.tables.table import Table

UNIT_ROWS = 4096


def text_scores() -> Table:
    """Return the table of the indicators that need nothing but the text."""
    family = FAMILIES["text"]
    wanted = column_versions(family)
    return RowTable(
        rows_of=("corpus",),
        wants=lambda warehouse, source: Wanted(columns_fingerprint(wanted), versions=wanted),
        work=lambda step: Work(score_schema(wanted), ["messages"]),
        compute=score_text,
        unit_rows=UNIT_ROWS,
        lines=turn_table((SCORES.name, "text"), family),
        facts=lambda step, update: score_facts(step, family) | turn_facts(step),
        verify=lambda step, update: score_checks(step, update, family),
    ).table(
        kind=SCORES,
        key=(SCORES.name, "text"),
        description=(
            "What the text alone says about a row: lexical diversity, readability, surface, repetition, spelling, "
            "language. One column per indicator and side of the conversation; NaN where it is not defined. Sides with "
            "several turns have the values of each turn in the table `turn_scores/text`."
        ),
        group="scores",
        reads=[("corpus",)],
        checks=SCORE_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=columns_fingerprint(wanted),
        lineage={column: [(("corpus",), "messages")] for column in wanted},
        columns=column_texts(family),
    )


def score_text(rows: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the text indicators of conversations, and those of their single turns."""
    from datasel_assets.indicators.text import score_conversations

    found, turns = score_conversations(rows["messages"].to_list(), list(context.columns))
    scores = within_bounds(pl.DataFrame({"row_id": rows["row_id"], **found}), FAMILIES["text"])
    return scores, turn_lines(rows["row_id"], turns)
