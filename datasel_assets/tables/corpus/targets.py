"""The query sets: tables of the examples that a selection is made for, in the shape of a corpus."""

from collections.abc import Sequence
from functools import partial

import polars as pl

from datasel_assets.corpus.queries import drawn, with_task
from datasel_assets.diagnostics.text import clean
from datasel_assets.specs.target import TargetSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.readers import Snapshot, SourceError, snapshot
from datasel_assets.tables.corpus.conversations import ingest_identity, ingested, token_counter
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

TARGETS = Kind("targets", version="2", state=("_cache/_targets/{name}",))


def target_table(name: str) -> Table:
    """Return the table of the examples of one target."""
    return Table(
        kind=TARGETS,
        key=(TARGETS.name, name),
        description=f"The query set `{name}`: what a training set selected for it should be good at.",
        group="aims",
        expect=partial(_expect, name),
        build=partial(_build, name),
        kinds=frozenset({"parquet", "polars"}),
        version=TARGETS.version,
        columns={"task": "The task that the example names, for task_round_robin and categories; else its row id."},
    )


def query_names(warehouse: Warehouse, name: str, row_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return (task, label) of each example of a target; one that names no task is a task of its own."""
    rows = warehouse.lake.scan((TARGETS.name, name)).select("row_id", "position", "prompt", "task").collect()
    tasks, labels = {}, {}
    for row, position, prompt, task in rows.iter_rows():
        tasks[row] = task
        labels[row] = f"{name} {position}: {clean(prompt, 60)}"
    return [tasks[row] for row in row_ids], [labels[row] for row in row_ids]


def _expect(name: str, warehouse: Warehouse, source: str | None) -> Expected:
    spec, found = _target(warehouse, name)
    identity = [
        TARGETS.version,
        ingest_identity(spec),
        [spec.rows, spec.seed, spec.task_key],
        token_counter().identity,
    ]
    return Expected((TARGETS.name, name), digest(identity), {"content": found.fingerprint})


def _build(name: str, step: Step) -> Built:
    spec, found = _target(step.warehouse, name)
    batches = ingested(name, spec, found)
    frames = [pl.DataFrame(pl.from_arrow(batch.corpus)) for batch in batches]
    rows = pl.concat(frames) if frames else pl.DataFrame()
    if rows.is_empty():
        reasons = "; ".join(f"{reason} ({count})" for reason, count in batches.summary.top_reasons())
        raise SourceError(f"target {name}: none of its {batches.summary.rows_in} rows can be used: {reasons}")
    rows = with_task(drawn(rows, spec.rows, spec.seed), spec.task_key)
    info = step.warehouse.lake.write(step.expected, rows, with_ids=True)
    return Built(
        info,
        rows.height,
        metadata={
            "doc": spec.doc,
            "rows_refused": batches.summary.quarantined,
            "examples": sample_table(rows, ["prompt", "response"], rows=8),
        },
    )


def _target(warehouse: Warehouse, name: str) -> tuple[TargetSpec, Snapshot]:
    spec = warehouse.registry.targets[name]
    return spec, snapshot(spec, name, warehouse.settings.data, warehouse.settings.warehouse / "_cache" / "_targets")
