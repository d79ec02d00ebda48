"""Runs whose process is gone: ended, and their pool slots given back, before new work starts.

A process killed with SIGKILL leaves its run STARTED and its pool slot claimed; the next run would wait for the slot
for ever. Under the daemon, run monitoring does this; the command line has no daemon.
Belongs here: who is dead. Does not belong here: running anything again.
"""

import os
import socket

import dagster as dg
import psutil

PROCESS_TAG = "datasel/process"
"""Run tag ``host/pid/start`` of the process that executes the run."""


def this_process() -> str:
    """Return the tag value of the running process; the start time tells it from a later owner of its number."""
    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.0f}"


def is_gone(process: str) -> bool:
    """Tell whether a tagged process of this host is over; of other hosts nothing is known, so they count as alive."""
    host, pid, start = process.rsplit("/", 2)
    if host != socket.gethostname():
        return False
    try:
        return abs(psutil.Process(int(pid)).create_time() - int(start)) > 2
    except psutil.NoSuchProcess:
        return True


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
