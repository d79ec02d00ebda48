"""The demands on form that answers keep to, as a score of its own.

Belongs here: the table. Does not belong here: what the score means (``indicators.constraints_kept``).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import polars as pl

from datasel_assets.indicators import constraints_kept as maths
from datasel_assets.indicators.verify import exchanges
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.scores.helpful_rows import score_page
from datasel_assets.tables.table import Check, Kind, Step, Table, Update

KIND = maths.KIND
CONSTRAINTS_KEPT = Kind(KIND.name, version=KIND.version, per="source")


def constraints_kept_tables(name: str, registry: Registry) -> list[Table]:
    """Return the table of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, maths.ConstraintsKeptSpec)
    made_by = digest([CONSTRAINTS_KEPT.version, maths.constraints_kept.version])
    table = RowTable(
        rows_of=("corpus",),
        wants=lambda warehouse, source: Wanted(made_by),
        work=lambda step: Work(score_schema(["score"]), ["messages"]),
        compute=count_kept,
        facts=partial(_facts, name),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=CONSTRAINTS_KEPT,
        key=(CONSTRAINTS_KEPT.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper}",
        group="scores",
        reads=[("corpus",)],
        checks={"covers_corpus": "one line for every conversation and no other"},
        version=made_by,
        columns={"score": f"{maths.constraints_kept.summary} Keep: {KIND.keep}."},
        lineage={"score": [(("corpus",), "messages")]},
    )
    return [table]


def count_kept(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the score of conversations."""
    found = maths.constraints_kept([exchanges(messages) for messages in rows["messages"].to_list()])
    return rows.select("row_id", score=pl.Series(found).cast(pl.Float32))


def _facts(name: str, step: Step, update: Update) -> Mapping[str, Any]:
    return score_page(step, f"{KIND.name}.{name}", ("most demands kept", "fewest demands kept"))
