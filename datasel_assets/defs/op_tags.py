"""Pools and op tags as named constants, each with its reason. A leaf: imports nothing of the project."""

GPU_POOL = "gpu"
"""One model at a time per limit of the pool: two encoders on one card run out of memory."""

DUCKDB_POOL = "duckdb"
"""One writer of the catalog at a time; the file itself is swapped whole, so readers never wait."""

GPU_OP_TAGS = {
    "dagster-k8s/config": {"container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}}},
    "dagster-ray/config": {"num_gpus": 1},
}
"""Honoured by ``k8s_job_executor`` and ``ray_executor``, inert under the default executor."""

CPU_OP_TAGS = {
    "dagster-k8s/config": {"container_config": {"resources": {"requests": {"cpu": "2", "memory": "4Gi"}}}},
    "dagster-ray/config": {"num_cpus": 2},
}
"""Requests of every other step."""

COMPUTE_TAG = "compute"
"""Asset tag ``compute=gpu`` marks what runs a model: select with ``tag:compute=gpu``."""

MAX_RUNTIME_TAG = "dagster/max_runtime"
"""Seconds after which monitoring fails a run whose host died; without it the run and its pool slot stay for ever."""

MAIN_TAG = {"datasel/owner": "main"}
"""Run tag of the main job, on which ``dagster.yaml`` has a limit of one: two of them would do the same work twice."""
