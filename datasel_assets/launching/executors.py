"""What carries out the steps of a run, chosen by ``DATASEL_EXECUTOR``.

Belongs here: the choice, and how many runs go at once. Does not belong here: what a step asks for (``op_tags``), units
within a step (``compute``).
"""

import os

import dagster as dg

from datasel_assets.launching.k8s_executor import k8s_executor
from datasel_assets.settings import EXECUTOR_VARIABLE

IN_PROCESS = "in_process"
NAMES = (IN_PROCESS, "multiprocess", "ray", "k8s")


def executor_name() -> str:
    """Return the executor that is meant; by default the steps of a run share its process.

    One run is one process then: a killed run leaves no orphaned step that goes on writing.

    Raises:
        ValueError: ``DATASEL_EXECUTOR`` holds something else.
    """
    name = os.environ.get(EXECUTOR_VARIABLE) or IN_PROCESS
    if name not in NAMES:
        raise ValueError(f"{EXECUTOR_VARIABLE}={name} is not known: use {', '.join(NAMES)}")
    return name


def executor(name: str) -> dg.ExecutorDefinition:
    """Return the definition of an executor.

    Raises:
        ModuleNotFoundError: its package is not installed; says which extra brings it.
    """
    try:
        if name == "ray":
            from dagster_ray.core.executor import ray_executor  # pyright: ignore[reportMissingImports]

            return ray_executor
        if name == "k8s":
            return k8s_executor()
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{EXECUTOR_VARIABLE}={name} needs a package that is not installed: pip install "
            f"'datasel_assets[{name}-executor]'"
        ) from error
    return dg.multiprocess_executor if name == "multiprocess" else dg.in_process_executor


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
