"""The family ``frequency``: how common the words of a row are in the pool and in its source.

Belongs here: its table, and which counts a row is scored by. Does not belong here: the counts (``word_counts``), the
scores themselves (``indicators.text.frequency``).
"""

from typing import Any

import polars as pl

from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.base import Part
from datasel_assets.indicators.text import ROLE_OF
from datasel_assets.indicators.text import frequency as maths
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores import word_counts
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
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

FAMILY = FAMILIES["frequency"]
KEY = (SCORES.name, "frequency")

UNIT_ROWS = 4096


def frequency_tables() -> list[Table]:
    """Return the table of the counts and that of the scores."""
    return [word_counts.word_counts(), _scores()]


def _scores() -> Table:
    origins = [(("corpus",), "messages"), (word_counts.KEY, "count")]
    return RowTable(
        rows_of=("corpus",),
        wants=_wants,
        work=_work,
        compute=score_frequency,
        load=load_counts,
        unit_rows=UNIT_ROWS,
        lines=turn_table(KEY, FAMILY),
        facts=_facts,
        verify=lambda step, update: score_checks(step, update, FAMILY),
    ).table(
        kind=SCORES,
        key=KEY,
        description=(
            "How common the words of a row are in the pool and in its source, and whether its length is a usual one. "
            "New rows are scored by the counts that stand; all rows again when `word_counts` has counted anew. Sides "
            "with several turns have the values of each turn in the table `turn_scores/frequency`."
        ),
        group="scores",
        reads=[("corpus",), word_counts.KEY],
        checks=SCORE_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=digest(column_versions(FAMILY)),
        columns=column_texts(FAMILY),
        lineage={column: origins for indicator in FAMILY.values() for column in indicator.columns},
    )


def _wants(warehouse: Warehouse, source: str | None) -> Wanted:
    info = warehouse.lake.info(word_counts.KEY)
    meta = info.meta if info else {"counted": {}, "pool": {}, "bands": {}, "label_bands": {}}
    lengths = [meta["bands"].get(f"{part}_length") for part in ROLE_OF]
    # Each column anew only with what it is made from: a new source leaves those of the pool as they are.
    uses = {
        "unigram_logprob": meta["pool"],
        "dqi_c1": lengths,
        "dqi_c2": meta["pool"],
        "dqi_c6": meta["counted"].get(str(source)),
    }
    made_by = info.fingerprint if info else "missing"
    versions: dict[str, str] = {}
    for name, what in uses.items():
        versions |= column_versions({name: FAMILY[name]}, made_by, what)
    return Wanted(columns_fingerprint(versions), versions=versions)


def _work(step: Step) -> Work:
    columns = [column for indicator in FAMILY.values() for column in indicator.columns]
    version = step.warehouse.lake.require(word_counts.KEY).data_version
    return Work(score_schema(columns), ["messages"], {"source": step.source, "counts": version})


def load_counts(warehouse: Warehouse, source: str, counts: str) -> dict[Part, dict[str, Any]]:
    """Load what the indicators of each side need beside the texts; a source that was not counted has no label.

    ``counts`` only says which counts they were.
    """
    meta = warehouse.lake.require(word_counts.KEY).meta
    known = source in meta["counted"]
    both = {
        "counts": maths.words_of(word_counts.counts_of(warehouse, None)),
        "frequency_band": tuple(meta["bands"]["frequency"]),
        "label_counts": {source: maths.words_of(word_counts.counts_of(warehouse, source))} if known else {},
        "label_bands": {source: tuple(meta["label_bands"][source])} if known else {},
    }
    return {part: {**both, "length_band": tuple(meta["bands"][f"{part}_length"])} for part in ROLE_OF}


def score_frequency(rows: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the frequency indicators of conversations, and those of their single turns."""
    from datasel_assets.indicators.text import score_conversations

    messages, labels = rows["messages"].to_list(), [str(context.source)] * rows.height
    found, turns = {}, []
    # One side after the other: the band of lengths is another for each.
    for part, inputs in context.loaded.items():
        mine = [column for column in context.columns if column.startswith(f"{part}_")]
        columns, lines = score_conversations(messages, mine, labels=labels, **inputs)
        found |= columns
        turns.append(lines)
    scores = within_bounds(pl.DataFrame({"row_id": rows["row_id"], **found}), FAMILY)
    return scores, turn_lines(rows["row_id"], pl.concat(turns))


def _facts(step: Step, update: Update) -> dict[str, Any]:
    return {**score_facts(step, FAMILY), **turn_facts(step), "counts": table_link(*word_counts.KEY)}
