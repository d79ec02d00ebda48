"""A killed process must not keep its run and its pool slot; a living one, or one of another host, must."""

import socket
import subprocess
import sys

import dagster as dg
import psutil

from datasel_assets.launching.dead_runs import PROCESS_TAG, end_dead_runs
from datasel_assets.storage.processes import this_process


def dead_process() -> str:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    started = psutil.Process(process.pid).create_time()
    process.wait()
    return f"{socket.gethostname()}/{process.pid}/{started:.0f}"


def test_a_dead_run_fails_and_gives_its_slot_back():
    @dg.job
    def job(): ...

    with dg.DagsterInstance.local_temp() as instance:
        instance.event_log_storage.set_concurrency_slots("gpu", 1)
        runs = {}
        for name, process in {"dead": dead_process(), "alive": this_process()}.items():
            run = instance.create_run_for_job(job, tags={PROCESS_TAG: process}, status=dg.DagsterRunStatus.STARTED)
            runs[name] = run.run_id
        instance.event_log_storage.claim_concurrency_slot("gpu", runs["dead"], "step")
        assert end_dead_runs(instance) == [runs["dead"]]
        assert instance.get_run_by_id(runs["dead"]).status == dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(runs["alive"]).status == dg.DagsterRunStatus.STARTED
        claim = instance.event_log_storage.claim_concurrency_slot("gpu", runs["alive"], "step")
        assert claim.is_claimed
        assert end_dead_runs(instance) == []
