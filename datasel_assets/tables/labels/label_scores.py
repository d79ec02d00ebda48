"""What people say as scores: the family named like the file in ``labels/``.

Belongs here: the table of each source. Does not: how the values come about (``label_truth``).
"""

from functools import partial

import polars as pl

from datasel_assets.registry.registry import Registry
from datasel_assets.specs.labels import LabelsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.labels.label_answers import answers_table
from datasel_assets.tables.labels.label_tasks import tasks_table
from datasel_assets.tables.labels.label_truth import LABEL_TRUTH, truth_table
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.scores.families import SCORES, score_schema
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

VERSION = "1"
MEANINGS = {
    "score": "The expected value of what people answer.",
    "posterior": "How probable the most probable answer is.",
    "n": "Answers that count.",
    "agreed": "Share of the answers that say what is most probable.",
}


def label_tables(registry: Registry) -> list[Table]:
    """Return the tables of all files in ``labels/``, upstream first."""
    return [
        table
        for name, spec in sorted(registry.labels.items())
        for table in (answers_table(name, spec), truth_table(name, spec), tasks_table(name, spec), _scores(name, spec))
    ]


def _scores(name: str, spec: LabelsSpec) -> Table:
    truth = (LABEL_TRUTH.name, name)
    return RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, name),
        work=partial(_work, name, spec),
        compute=look_up,
        load=load_truth,
        facts=partial(_facts, name, spec),
    ).table(
        kind=SCORES,
        key=(SCORES.name, name),
        description=f"What people say of each row, NaN where nobody was asked: {spec.question}",
        group="scores",
        reads=[("corpus",), truth],
        version=VERSION,
        columns={column: f"{MEANINGS[column]} Keep: {keep}." for column, keep in spec.columns.items()},
        lineage={column: [(truth, column)] for column in spec.columns},
    )


def _wants(name: str, warehouse: Warehouse, source: str | None) -> Wanted:
    return Wanted(digest([VERSION, warehouse.lake.version((LABEL_TRUTH.name, name))]))


def _work(name: str, spec: LabelsSpec, step: Step) -> Work:
    version = step.warehouse.lake.version((LABEL_TRUTH.name, name))
    return Work(score_schema(spec.columns), [], {"name": name, "version": version})


def load_truth(warehouse: Warehouse, name: str, version: str) -> pl.DataFrame:
    """Return what people say, by row id; ``version`` only says which answers that were."""
    return warehouse.lake.scan((LABEL_TRUTH.name, name)).select("row_id", *MEANINGS).collect()


def look_up(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the scores of rows, NaN where nobody was asked."""
    found = rows.select("row_id").join(context.loaded, on="row_id", how="left", maintain_order="left")
    return found.select(
        "row_id", *(pl.col(column).cast(pl.Float32).fill_null(float("nan")) for column in context.columns)
    )


def _facts(name: str, spec: LabelsSpec, step: Step, update: Update) -> dict:
    table = step.warehouse.lake.scan(step.expected.key)
    asked = int(table.select((pl.col("n").fill_nan(0) > 0).sum()).collect().item() or 0)
    keep = {column: way for column, way in spec.columns.items() if column in ("score", "posterior")}
    shown = {"rows": extreme_rows(step.warehouse, table, keep, step.source)} if asked else {}
    return {"rows_asked_about": asked, **shown, "labels": table_link(LABEL_TRUTH.name, name)}
