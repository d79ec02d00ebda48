"""One main job at a time: two of them would look at the same tables and make them twice.

The daemon's queue keeps to the limit in ``dagster.yaml``; a job that a command carries out is in no queue.
Belongs here: waiting for the others. Not: what the job does (``main_job``), and which runs are dead (``dead_runs``).
"""

import time
from collections.abc import Callable

import dagster as dg

from datasel_assets.launching.dead_runs import PROCESS_TAG, end_dead_runs

MAIN = "main"
"""Name of the main job."""

LOOK_EVERY_S = 2.0
START_S = 180.0
"""Time in which a run that was launched says which process it is; one that has not by then never will."""

UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def is_asked_for(instance: dg.DagsterInstance) -> bool:
    """Tell whether a main job is queued or under way; one whose process is gone is ended first."""
    end_dead_runs(instance)
    statuses = [dg.DagsterRunStatus.QUEUED, *UNDER_WAY]
    return bool(instance.get_runs(dg.RunsFilter(job_name=MAIN, statuses=statuses), limit=1))


def wait_for_turn(instance: dg.DagsterInstance, run_id: str, say: Callable[[str], None]) -> None:
    """Return when no main job is under way that began before the run ``run_id``."""
    said = ""
    while before := _first_before(instance, run_id):
        if before != said:
            say(f"waits for run {before[:8]}, which brings the same data folder up to date")
            said = before
        time.sleep(LOOK_EVERY_S)


def _first_before(instance: dg.DagsterInstance, run_id: str) -> str | None:
    end_dead_runs(instance)
    for record in instance.get_run_records(dg.RunsFilter(job_name=MAIN, statuses=UNDER_WAY), ascending=True):
        run = record.dagster_run
        if run.run_id == run_id:
            return None
        if PROCESS_TAG in run.tags or time.time() - record.create_timestamp.timestamp() < START_S:
            return run.run_id
    return None
