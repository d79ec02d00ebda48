"""What asks for runs: the sensor over the registry files, the daily refresh, and the sensor over the catalog.

The main job alone decides what is to be made and in which order, so no two runs work on the same tables, none asks for
a table before what it reads is there, and nothing is made twice.
Belongs here: asking for runs. Not: what has changed (``tables.corpus.source_changes``), what is stale
(``tables.planning``).
"""

import json
from collections.abc import Sequence

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from datasel_assets.defs.main_job import REFRESH_CATALOG
from datasel_assets.defs.partitions import SOURCES, sources_partitions
from datasel_assets.defs.registry_page import is_shown, registry_events
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.launching.one_at_a_time import MAIN, is_asked_for
from datasel_assets.tables.corpus.source_changes import list_sources, source_changes
from datasel_assets.tables.planning import needs_work
from datasel_assets.tables.table import Table


def sources_sensor(tables: Sequence[Table], loaded: str, main: dg.JobDefinition) -> dg.SensorDefinition:
    """Return the sensor over the registry files.

    It asks for one run of the main job when a source is new, changed or gone, or when other registry files were loaded
    ("Reload definitions"), and then only where something is stale: what `make run` has made is not asked for again.

    Args:
        tables: all that the main job makes.
        loaded: fingerprint of the registry files, without the sources, that this code location was loaded with. A
            recipe that is being written is not run before its author reloads.
        main: the main job.
    """

    @dg.sensor(
        name="sources_sensor",
        job=main,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for one run of `main` when a source is new, changed or gone, or definitions were reloaded; "
        "records on the page of `registry` which files cannot be used.",
    )
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        try:
            opened = warehouse.open()
            listing, failures = list_sources(opened)
        except OSError as error:
            return dg.SkipReason(f"the registry cannot be listed, nothing is assumed about it: {error}")
        last = json.loads(context.cursor) if context.cursor else {}
        seen = last.get("sources", {})
        for name, message in failures.items():
            context.log.warning(f"source {name}: {message}")
        kept = {name: mark for name, mark in seen.items() if name in failures}
        changes = source_changes(listing, failures, seen)
        reloaded = loaded != last.get("loaded")
        page = [] if is_shown(context.instance, opened.registry) else registry_events(opened)
        cursor = json.dumps({"sources": listing | kept, "loaded": loaded}, sort_keys=True)

        def nothing(reason: str, cursor: str | None = cursor) -> dg.SensorResult:
            return dg.SensorResult(skip_reason=reason, cursor=cursor, asset_events=page)

        said = "; ".join([*changes.said, *(["other registry files were loaded"] if reloaded else [])])
        if not said:
            return nothing(f"{len(listing)} sources, none new or changed; {len(failures)} could not be listed")
        if is_asked_for(context.instance):  # what it leaves undone is seen when it is over
            return nothing(f"{said}: a run of {MAIN} is queued or under way", context.cursor)
        partitions = context.instance.get_dynamic_partitions(SOURCES)
        new = sorted(set(listing) - set(partitions))
        if not new and not needs_work(opened, tables, sorted(listing)):
            return nothing(f"{said}: every table is current")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(tags={"datasel/because": said[:200]})],
            dynamic_partitions_requests=[sources_partitions.build_add_request(new)] if new else [],
            cursor=cursor,
            asset_events=page,
        )

    return look


def catalog_sensor(catalog: Table) -> dg.SensorDefinition:
    """Return the sensor that has the catalog made anew after tables that were made by hand or on request.

    The lineage has no arrow from every table to the catalog, so nobody who makes a single table makes the catalog with
    it. The main job makes it itself, last of all. The cursor is the run that ended last: where none has ended since,
    nothing is looked at.

    Args:
        catalog: the table.
    """

    @dg.sensor(
        name="catalog_sensor",
        job_name=REFRESH_CATALOG,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has `catalog` made anew when a run ended after which the DuckDB file lacks a table.",
    )
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        ended = dg.RunsFilter(statuses=list(FINISHED_STATUSES))
        found = context.instance.get_run_records(ended, limit=1, order_by="update_timestamp")
        newest = found[0].dagster_run if found else None
        if newest is None or newest.run_id == context.cursor:
            return dg.SkipReason("no run has ended since the last look")
        if is_asked_for(context.instance):
            return dg.SkipReason(f"a run of {MAIN} is queued or under way, which makes the catalog last")
        if newest.job_name == REFRESH_CATALOG and not newest.is_success:
            why = "making the catalog failed: it is tried again after the next run that makes a table"
            return dg.SensorResult(skip_reason=why, cursor=newest.run_id)
        if catalog.is_current(warehouse.open(), None):
            return dg.SensorResult(skip_reason="the catalog is current", cursor=newest.run_id)
        because = {"datasel/because": f"run {newest.run_id[:8]} of {newest.job_name}"}
        return dg.SensorResult(run_requests=[dg.RunRequest(newest.run_id, tags=because)], cursor=newest.run_id)

    return look


@dg.schedule(
    name="daily_refresh",
    job_name=MAIN,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks once a day at every source, remote ones too, and at retired ones; skips what is unchanged.",
)
def daily_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Request the main job once a day."""
    return dg.RunRequest(run_key=f"daily:{context.scheduled_execution_time:%Y-%m-%d}")
