"""Pools and op tags as named constants, each with its reason. A leaf: imports nothing of the project."""

from typing import Any

GPU_POOL = "gpu"
"""One model at a time per limit of the pool: two encoders on one card run out of memory."""

DUCKDB_POOL = "duckdb"
"""One writer of the catalog at a time; the file itself is swapped whole, so readers never wait."""

REQUESTS = {"cpu": "2", "memory": "4Gi"}
"""What every step asks for on Kubernetes."""


def op_tags(*, gpu: bool) -> dict[str, dict[str, Any]]:
    """Return what a step asks for, as ``k8s_job_executor`` and ``ray_executor`` read it; inert under the others.

    ``backoff_limit`` is 0: a pod that Kubernetes started again would find its step begun and leave it open for ever.
    Dagster starts the step again itself.

    Args:
        gpu: whether it needs one. Asked for in vain it waits for ever, so that only those ask that use it.
    """
    limits = {"limits": {"nvidia.com/gpu": "1"}} if gpu else {}
    return {
        "dagster-k8s/config": {
            "container_config": {"resources": {"requests": REQUESTS, **limits}},
            "job_spec_config": {"backoff_limit": 0},
        },
        "dagster-ray/config": {"num_cpus": 2, **({"num_gpus": 1} if gpu else {})},
    }


COMPUTE_TAG = "compute"
"""Asset tag ``compute=gpu`` marks what runs a model: select with ``tag:compute=gpu``."""

MAX_RUNTIME_TAG = "dagster/max_runtime"
"""Seconds after which monitoring fails a run whose host died; without it the run and its pool slot stay for ever."""

PLAN_TAG = "datasel/plan"
"""Run tag with the name of the plan that a run belongs to: its steps show what was expected of them."""

MAIN_TAG = {"datasel/owner": "main"}
"""Run tag of the main job, on which ``dagster.yaml`` has a limit of one: two of them would do the same work twice."""
