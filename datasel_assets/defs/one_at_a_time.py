"""One main job at a time: two of them would look at the same tables and make them twice.

The daemon's queue keeps to the limit in ``dagster.yaml``; a job that a command carries out is in no queue.
Belongs here: waiting for the others. Not: what the job does (``main_job``), and which runs are dead (``dead_runs``).
"""

import time
from collections.abc import Callable

import dagster as dg

from datasel_assets.defs.dead_runs import end_dead_runs

MAIN = "main"
"""Name of the main job."""

LOOK_EVERY_S = 2.0


def wait_for_turn(instance: dg.DagsterInstance, run_id: str, say: Callable[[str], None]) -> None:
    """Return when no main job is in progress that was asked for before the run ``run_id``."""
    said = ""
    while before := _first_before(instance, run_id):
        if before != said:
            say(f"waits for run {before[:8]}, which brings the same data folder up to date")
            said = before
        time.sleep(LOOK_EVERY_S)


def is_queued(instance: dg.DagsterInstance) -> bool:
    """Tell whether a main job waits to be started: it will see all that is on disk by then."""
    waiting = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    return bool(instance.get_runs(dg.RunsFilter(job_name=MAIN, statuses=waiting), limit=1))


def _first_before(instance: dg.DagsterInstance, run_id: str) -> str | None:
    end_dead_runs(instance)
    under_way = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    records = instance.get_run_records(dg.RunsFilter(job_name=MAIN, statuses=under_way), ascending=True)
    first = records[0].dagster_run.run_id if records else run_id
    return None if first == run_id else first
