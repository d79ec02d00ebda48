"""The family ``verify``: whether answers are what their questions ask for, as far as a program can tell.

Belongs here: its table and the rows that its page shows. Does not belong here: the verifiers (``indicators.verify``).
"""

from typing import Any

import numpy as np
import polars as pl

from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.verify import exchanges
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import (
    SCORE_CHECKS,
    SCORES,
    column_texts,
    column_versions,
    score_checks,
    score_schema,
    within_bounds,
)
from datasel_assets.tables.shown import Rows, sample_table, table_link
from datasel_assets.tables.table import Step, Table
from datasel_assets.tables.warehouse import Warehouse

FAMILY = FAMILIES["verify"]
UNIT_ROWS = 4096
WORST = 3
EXCERPT = 100


def verify_scores() -> Table:
    """Return the table of the verifiers."""
    wanted = column_versions(FAMILY)
    return RowTable(
        rows_of=("corpus",),
        wants=lambda warehouse, source: Wanted(columns_fingerprint(wanted), versions=wanted),
        work=lambda step: Work(score_schema(wanted), ["messages"]),
        compute=verify_rows,
        unit_rows=UNIT_ROWS,
        facts=lambda step, update: _facts(step),
        verify=lambda step, update: score_checks(step, update, FAMILY),
    ).table(
        kind=SCORES,
        key=(SCORES.name, "verify"),
        description=(
            "What a program can check of an answer without a model: JSON and code that parse, sums that are right, "
            "demands on form that are kept, choices that are named, texts that are there, and signs of a row that went "
            "wrong. 0 passes, 1 fails, NaN: does not apply. A conversation has the value of its worst answer."
        ),
        group="scores",
        reads=[("corpus",)],
        checks=SCORE_CHECKS,
        version=columns_fingerprint(wanted),
        lineage={column: [(("corpus",), "messages")] for column in wanted},
        columns=column_texts(FAMILY),
    )


def verify_rows(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return what the verifiers say of conversations."""
    asked = [exchanges(messages) for messages in rows["messages"].to_list()]
    found = {column: FAMILY[column](asked).astype(np.float32) for column in context.columns}
    return within_bounds(pl.DataFrame({"row_id": rows["row_id"], **found}), FAMILY)


def _facts(step: Step) -> dict[str, Any]:
    table = step.warehouse.lake.scan(step.expected.key).select("row_id", *FAMILY).collect()
    counts = [
        {
            "verifier": name,
            "applies_to": (known := table[name].fill_nan(None).drop_nulls()).len(),
            "fails": int((known > 0).sum()),
            "share_of_those": round(int((known > 0).sum()) / known.len(), 4) if known.len() else None,
        }
        for name in FAMILY
    ]
    frame = pl.DataFrame(counts, schema_overrides={"share_of_those": pl.Float64})
    return {
        "verdicts": sample_table(frame, frame.columns, rows=frame.height),
        "worst_rows": _worst(step.warehouse, table, str(step.source)),
        "corpus": table_link("corpus"),
    }


def _worst(warehouse: Warehouse, table: pl.DataFrame, source: str) -> Rows:
    """Return the worst rows of each verifier, with the end of the question and of the answer, where faults stand."""
    picked = [
        table.select(pl.lit(name).alias("verifier"), "row_id", value=pl.col(name).fill_nan(None))
        .filter(pl.col("value") > 0)
        .sort(["value", "row_id"], descending=[True, False])
        .head(WORST)
        for name in FAMILY
    ]
    rows = pl.concat(picked)
    texts = (
        warehouse.lake.scan(("corpus", source))
        .filter(pl.col("row_id").is_in(rows["row_id"].implode()))
        .select("row_id", prompt=pl.col("prompt").str.tail(EXCERPT), response=pl.col("response").str.tail(EXCERPT))
        .collect()
    )
    faces = rows.join(texts, on="row_id", how="left", maintain_order="left")
    return sample_table(faces, ["verifier", "value", "prompt", "response"], rows=faces.height)
