"""Runs that are handed to the instance, which has a place of its own for each: a pod, a container, another machine.

Belongs here: submitting a run and waiting for its end. Does not belong here: runs that this process carries out
(``launch``), which runs are needed (``main_job``).
"""

import time
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext

from datasel_assets.launching.launch import NO_RETRY_TAG

LOOK_EVERY_S = 2.0


def has_places(instance: dg.DagsterInstance) -> bool:
    """Tell whether the instance has a launcher that gives each run a place of its own.

    The launcher that an instance has without settings asks a server of the code location, which a command line has not.
    """
    return not isinstance(instance.run_launcher, DefaultRunLauncher | SyncInMemoryRunLauncher)


def submitted(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    origin: RemoteRepositoryOrigin,
    code: RepositoryPythonOrigin,
    *,
    source: str | None = None,
    keys: Sequence[dg.AssetKey] = (),
    tags: Mapping[str, str] | None = None,
) -> tuple[bool, list[dg.DagsterEvent]]:
    """Submit a run and wait for its end; return whether it succeeded, and its events.

    An interrupt of this process cancels the run.

    Args:
        job: the job, as the code location has it.
        instance: where the run is recorded, and whose launcher finds a place.
        origin: the code location that the job stands in.
        code: how another process loads it.
        source: partition of the run.
        keys: which of the job's assets; none for all of it.
        tags: of the run, beside those of its job.
    """
    partition = dict(job.get_tags_for_partition_key(source, selected_asset_keys=list(keys))) if source else {}
    run = instance.create_run_for_job(
        job_def=job,
        tags={**job.run_tags, **partition, **(tags or {}), NO_RETRY_TAG: "0"},
        asset_selection=frozenset(keys) or None,
        remote_job_origin=origin.get_job_origin(job.name),
        job_code_origin=JobPythonOrigin(job.name, code),
    )
    # Neither a queue nor a launcher of places looks at the workspace, of which only a webserver has one.
    instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
    try:
        while not (now := instance.get_run_by_id(run.run_id)) or not now.is_finished:
            time.sleep(LOOK_EVERY_S)
    except BaseException:
        instance.run_coordinator.cancel_run(run.run_id)
        raise
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    return now.is_success, events
