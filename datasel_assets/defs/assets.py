"""How a table becomes a Dagster asset. Belongs here: the one factory. Not: what any table holds (``tables``)."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from datasel_assets import progress
from datasel_assets.defs import display
from datasel_assets.defs.failures import SKIPPED, cause_now, failed_alike
from datasel_assets.defs.partitions import sources_partitions
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.launching.executors import IN_PROCESS
from datasel_assets.launching.op_tags import COMPUTE_TAG, GPU_POOL, PLAN_TAG, op_tags
from datasel_assets.launching.retries import LOST_PROCESS, only_losses_tried_again
from datasel_assets.storage.lake import Key
from datasel_assets.tables.lineage import shown_group
from datasel_assets.tables.making import Made, facts_of, in_one_sentence, make
from datasel_assets.tables.served import page_of, rows_of
from datasel_assets.tables.table import Table

OWNERS = ["team:data-selection"]
REFRESHED_DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=7), warn_window=timedelta(days=2))


def asset_key(key: Key) -> dg.AssetKey:
    """Return the asset key of a table."""
    return dg.AssetKey(list(key))


def to_asset(
    table: Table,
    *,
    drawn: Sequence[Key] | None = None,
    device: str = "auto",
    backend: str = "local",
    executor: str = IN_PROCESS,
) -> dg.AssetsDefinition:
    """Return the asset of a table.

    Args:
        table: the table.
        drawn: which of the things that it reads have an arrow to it; None: all of them.
        device: where models run.
        backend: where units of work are carried out.
        executor: name of what carries out steps; see ``executors``.
    """
    own_process = executor != IN_PROCESS
    key = asset_key(table.key)
    partitions = sources_partitions if table.per_source else None
    links = {"report in the browser": page_of(table.key), "rows in the browser": rows_of(table.key)}

    spec = dg.AssetSpec(
        key,
        deps=[asset_key(read) for read in (table.reads if drawn is None else drawn)],
        description=table.description,
        metadata={name: dg.MetadataValue.url(address) for name, address in links.items() if address},
        group_name=shown_group(table.group),
        kinds=set(table.kinds),
        owners=OWNERS,
        tags={COMPUTE_TAG: "gpu" if table.runs_model else "cpu"},
        code_version=table.version,
        freshness_policy=REFRESHED_DAILY if table.refreshed_daily else None,
        skippable=True,
    )

    # A multi-asset of one, because no other kind of asset may be skipped together with its checks.
    @dg.multi_asset(
        name=key.to_python_identifier(),
        specs=[spec],
        can_subset=True,
        partitions_def=partitions,
        pool=GPU_POOL if table.runs_model else table.pool,
        op_tags=op_tags(gpu=table.needs_gpu(device, backend)),
        # An interrupt would be tried again too: in the process of the run it is meant for the run.
        retry_policy=LOST_PROCESS if own_process else None,
        check_specs=[
            dg.AssetCheckSpec(name, asset=key, blocking=True, description=text, partitions_def=partitions)
            for name, text in table.checks.items()
        ],
    )
    def table_asset(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[Any]:
        source = context.partition_key if table.per_source else None
        opened = warehouse.open()
        run_id = context.run.run_id
        try:
            if source and source not in opened.registry.source_names:
                gone = f"sources/{source}.yaml is not there any more: the next run of `main` takes its partition away"
                raise dg.Failure(gone, allow_retries=False)
            with (
                progress.log_progress(context.log),
                progress.working_on(f"{table.name} {source}" if source else table.name),
                only_losses_tried_again(context.retry_number, by_policy=own_process),
            ):
                plan = context.run.tags.get(PLAN_TAG, "")
                made = make(opened, table, source, log=context.log, run_id=run_id, plan=plan)
        except Exception as error:
            why = cause_now()
            if first := failed_alike(context.instance, run_id, why):
                said = f"skipped for the reason for which {first} failed: {why}"
                context.log.warning(said)
                yield dg.AssetObservation(key, partition=source, description=said, metadata={SKIPPED: why})
                return
            if isinstance(error, dg.Failure | dg.RetryRequested):
                raise
            raise dg.Failure(in_one_sentence(error, table.name, source), allow_retries=False) from error
        for other, figures in made.built.observed.items() if made.cost else ():
            yield dg.AssetObservation(asset_key(other), metadata=display.metadata(figures))
        yield _result(table, made)

    return table_asset


def _result(table: Table, made: Made) -> dg.MaterializeResult:
    built = made.built
    facts: dict[str, Any] = {
        **display.metadata(facts_of(table, made)),
        "dagster/partition_row_count" if table.per_source else "dagster/row_count": built.rows,
        "path": dg.MetadataValue.path(str(built.info.path)),
    }
    if built.info.path.suffix == ".parquet":
        facts["dagster/column_schema"] = display.column_schema(built.info.path, table.columns)
    if table.lineage:
        facts["dagster/column_lineage"] = display.column_lineage(table.lineage)
    return dg.MaterializeResult(
        asset_key=asset_key(table.key),
        metadata=facts,
        data_version=dg.DataVersion(built.info.data_version),
        check_results=[
            dg.AssetCheckResult(
                asset_key=asset_key(table.key), check_name=name, passed=check.passed, metadata=dict(check.details)
            )
            for name, check in built.checks.items()
        ],
    )
