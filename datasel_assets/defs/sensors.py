"""Sensors and schedules: new and changed sources, declarative automation, the daily refresh.

Belongs here: asking for runs. Does not belong here: what has changed (``tables.corpus.source_changes``).
"""

import json
from collections.abc import Sequence

import dagster as dg

from datasel_assets.defs.partitions import SOURCES, sources_partitions
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.corpus.source_changes import list_sources, source_changes
from datasel_assets.tables.planning import Phase, stale


def sources_sensor(first: Phase, jobs: Sequence) -> dg.SensorDefinition:
    """Return the sensor over ``sources/``.

    Args:
        first: the per-source assets that need nothing global; what follows is carried on by automation, because a
            first source has no basis to be projected on yet. A source seen for the first time whose tables are
            current (``make run`` made them) is not requested again.
        jobs: ``refresh_source`` and ``main``.
    """

    @dg.sensor(
        name="sources_sensor",
        jobs=jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds a partition for every new file in sources/; refreshes sources whose file or content changed.",
    )
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        try:
            opened = warehouse.open()
            listing, failures = list_sources(opened)
        except OSError as error:
            return dg.SkipReason(f"the registry cannot be listed, nothing is assumed about it: {error}")
        seen = json.loads(context.cursor) if context.cursor else {}
        for name, message in failures.items():
            context.log.warning(f"source {name}: {message}")
        kept = {name: mark for name, mark in seen.items() if name in failures}
        partitions = set(context.instance.get_dynamic_partitions(SOURCES))
        # `make run` has just brought up to date what this sensor sees for the first time: no runs for that.
        unseen = partitions & set(listing) - set(seen)
        current = {name: listing[name] for name in unseen if not stale(first, opened, name)[0]}
        changes = source_changes(listing, partitions, seen | current)
        retired = [name for name in changes.retired if name not in kept]
        requests = [
            dg.RunRequest(
                job_name="refresh_source",
                partition_key=name,
                run_key=f"{name}:{listing[name]}",
                asset_selection=[dg.AssetKey(list(asset.key)) for asset in first.tables],
            )
            for name in (*changes.added, *changes.changed)
        ]
        if retired:
            requests.append(dg.RunRequest(job_name="main", run_key=f"without {','.join(retired)}:{digest(listing)}"))
        cursor = json.dumps(listing | kept, sort_keys=True)
        if not requests:
            reason = f"{len(listing)} sources, none new or changed; {len(failures)} could not be listed"
            return dg.SensorResult(skip_reason=reason, cursor=cursor)
        added = [sources_partitions.build_add_request(list(changes.added))] if changes.added else []
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=added,
            cursor=cursor,
        )

    return look


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that carries changes downstream; Dagster's own default one is stopped after install."""
    return dg.AutomationConditionSensorDefinition(
        name="downstream_sensor",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
    )


@dg.schedule(
    name="daily_refresh",
    job_name="main",
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks once a day at every source, remote ones too, and at retired ones; skips what is unchanged.",
)
def daily_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Request the main job once a day."""
    return dg.RunRequest(run_key=f"daily:{context.scheduled_execution_time:%Y-%m-%d}")
