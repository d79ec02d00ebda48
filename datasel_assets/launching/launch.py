"""Runs that this process carries out, and that are recorded as runs of the code location's jobs.

Dagster's own ``execute_in_process`` leaves out where a job comes from, and the timeline, the pages of jobs and "last
run" show only runs that say it. Belongs here: creating and executing such a run. Not: what is to be run (``main_job``),
where its steps are carried out (``executors``).
"""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths

from datasel_assets.launching.dead_runs import PROCESS_TAG
from datasel_assets.launching.executors import IN_PROCESS
from datasel_assets.settings import REPOSITORY
from datasel_assets.storage.processes import this_process

NO_RETRY_TAG = "dagster/max_retries"
"""The daemon would run one again whose process was killed; whoever carries these out goes on from there himself."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config of a run whose failures somebody else prints."""


def code_location() -> RemoteRepositoryOrigin:
    """Return where the jobs come from by ``workspace.yaml``, as the webserver and the daemon say it too."""
    (location,) = location_origins_from_yaml_paths([str(REPOSITORY / "workspace.yaml")])
    return RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME)


def leave_logging_alone(instance: dg.DagsterInstance) -> None:
    """Keep Dagster from setting up logging anew whenever a run starts, where ``dagster.yaml`` sets nothing up.

    It does so even then, and waits for every handler while it holds the lock of all of logging. A run beside it that
    writes an event holds its handler and asks for that lock, so that both would wait for ever.
    """
    if not instance.get_python_log_dagster_handler_config():
        instance.get_yaml_python_handlers = list  # type: ignore[method-assign]


def carry_out(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    origin: RemoteRepositoryOrigin,
    *,
    source: str | None = None,
    keys: Sequence[dg.AssetKey] = (),
    quiet: bool = True,
    executor: str = IN_PROCESS,
    tags: Mapping[str, str] | None = None,
) -> tuple[bool, list[dg.DagsterEvent]]:
    """Run a job now; return whether it succeeded, and its events.

    Args:
        job: the job.
        instance: where it is recorded.
        origin: the code location that the job stands in.
        source: partition of the run.
        keys: which of the job's assets; none for all of it.
        quiet: print nothing.
        executor: what carries out its steps. Other processes load the code location anew: they make the job as it
            stands there.
        tags: of the run, beside those of its job.
    """
    partition = dict(job.get_tags_for_partition_key(source, selected_asset_keys=list(keys))) if source else {}
    repository = ReconstructableRepository.for_module("datasel_assets.definitions", "defs", str(REPOSITORY))
    elsewhere = repository.get_reconstructable_job(job.name)
    run = instance.create_run_for_job(
        job_def=job,
        run_config=QUIET if quiet else {},
        tags={**job.run_tags, **partition, **(tags or {}), NO_RETRY_TAG: "0", PROCESS_TAG: this_process()},
        asset_selection=frozenset(keys) or None,
        remote_job_origin=origin.get_job_origin(job.name),
        # By it a step that has a place of its own loads its job.
        job_code_origin=None if executor == IN_PROCESS else elsewhere.get_python_origin(),
    )
    here = InMemoryJob(job.with_executor_def(dg.in_process_executor))
    carried_out = here if executor == IN_PROCESS else elsewhere
    try:
        events = list(execute_run_iterator(carried_out, run, instance))
    finally:
        left = instance.get_run_by_id(run.run_id)
        if left and not left.is_finished:  # interrupted before its first step or after its last
            instance.report_run_canceled(left, message="interrupted")
    ended = instance.get_run_by_id(run.run_id)
    return ended is not None and ended.is_success, events
