"""The scores of a training: one column per indicator, one table per source, missing for rows outside its sample.

Belongs here: the table. Does not: the indicators (``indicators.dynamics``), the records (``watched``).
"""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.indicators.base import Indicator
from datasel_assets.indicators.dynamics import family
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.dynamics.records import history_of
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
    within_bounds,
)
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

RECORDS = "dynamics"


def family_of(spec: DynamicsSpec) -> dict[str, Indicator]:
    """Return the indicators that a file in ``dynamics/`` has."""
    return family(labels=spec.label is not None, split=spec.second_split)


def dynamics_scores(name: str, spec: DynamicsSpec) -> Table:
    """Return the table of scores of one file in ``dynamics/``."""
    own = family_of(spec)
    return RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, name, own),
        work=partial(_work, name, own),
        compute=score_records,
        facts=lambda step, update: _facts(name, own, step, update),
        verify=lambda step, update: score_checks(step, update, own),
    ).table(
        kind=SCORES,
        key=(SCORES.name, name),
        description=(
            "What happened to each row while a model was trained on it: one column per indicator. Missing for rows "
            "outside the sample that was trained on."
        ),
        group="scores",
        reads=[("corpus",), (RECORDS, name)],
        checks=SCORE_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=digest(column_versions(own)),
        columns=column_texts(own),
        lineage={column: [((RECORDS, name), "losses")] for column in own},
    )


def _wants(name: str, own: dict[str, Indicator], warehouse: Warehouse, source: str | None) -> Wanted:
    versions = column_versions(own, warehouse.lake.version((RECORDS, name)))
    return Wanted(columns_fingerprint(versions), versions=versions)


def _work(name: str, own: dict[str, Indicator], step: Step) -> Work:
    plentiful = bool(step.warehouse.lake.require((RECORDS, name)).meta["plentiful"])
    return Work(score_schema(own), [], {"name": name, "columns": sorted(own), "plentiful": plentiful})


def score_records(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the indicators of rows; NaN for those that were not trained on."""
    records = context.warehouse.lake.scan((RECORDS, context.arguments["name"]))
    ids = rows.select("row_id")
    found = records.join(ids.lazy(), on="row_id", how="semi").collect()
    history = history_of(found, plentiful=context.arguments["plentiful"])
    every = family(labels=True, split=True)
    own = {name: every[name] for name in context.columns}
    values = {name: pl.Series(name, indicator(history).astype(np.float32)) for name, indicator in own.items()}
    table = ids.join(found.select("row_id").with_columns(**values), on="row_id", how="left", maintain_order="left")
    return within_bounds(table.with_columns(pl.col(name).fill_null(float("nan")) for name in own), own)


def _facts(name: str, own: dict[str, Indicator], step: Step, update: Update) -> dict:
    return {**score_facts(step, own), "records": table_link(RECORDS, name)}
