"""Runs side by side: those of several sources, where their steps have processes of their own.

Belongs here: how many go at once. Does not belong here: what a run is (``launch``) and which are needed (``main_job``).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import dagster as dg

from datasel_assets.defs.executors import IN_PROCESS, executor_name

Item = TypeVar("Item")


def runs_at_once(instance: dg.DagsterInstance, *, submitted: bool = False) -> int:
    """Return how many runs may go at once: one where steps share this process, else what ``dagster.yaml`` allows.

    Args:
        instance: with the settings.
        submitted: each run has a place of its own.
    """
    if executor_name() == IN_PROCESS and not submitted:
        return 1
    settings = instance.get_settings("concurrency") or {}
    return int(settings.get("runs", {}).get("max_concurrent_runs", 1))


def leave_logging_alone(instance: dg.DagsterInstance) -> None:
    """Keep Dagster from setting up logging anew whenever a run starts, where ``dagster.yaml`` sets nothing up.

    It does so even then, and waits for every handler while it holds the lock of all of logging. A run beside it that
    writes an event holds its handler and asks for that lock, so that both would wait for ever.
    """
    if not instance.get_python_log_dagster_handler_config():
        instance.get_yaml_python_handlers = list  # type: ignore[method-assign]


def side_by_side(work: Callable[[Item], None], items: Sequence[Item], at_once: int) -> None:
    """Do the work for each item, ``at_once`` of them at a time; one at a time in this thread, and in order.

    After an error, or an interrupt, no further item is begun; what has begun comes to its end.
    """
    if min(at_once, len(items)) <= 1:
        for item in items:
            work(item)
        return
    pool = ThreadPoolExecutor(at_once, "run")
    try:
        for done in [pool.submit(work, item) for item in items]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)
