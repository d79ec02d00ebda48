"""Runs whose process is gone: ended, and their pool slots given back, before new work starts.

A process killed with SIGKILL leaves its run STARTED and its pool slot claimed; the next run would wait for the slot
for ever. Under the daemon, run monitoring does this; the command line has no daemon.
Belongs here: ending them. Does not belong here: which process is over (``storage.processes``), running anything again.
"""

import dagster as dg

from datasel_assets.storage.processes import is_gone

PROCESS_TAG = "datasel/process"
"""Run tag ``host/pid/start`` of the process that executes the run."""


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs in progress whose process is gone and free their slots; returns their ids."""
    running = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=running)):
        process = run.tags.get(PROCESS_TAG)
        if process and is_gone(process):
            instance.report_run_failed(run, f"The process of this run ({process}) is gone: killed or out of memory.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended
