"""Jobs for the stand-in cluster, loaded by the processes that are its pods."""

import dagster as dg

from datasel_assets.launching.k8s_executor import k8s_executor
from datasel_assets.launching.op_tags import op_tags

AGAIN = dg.RetryPolicy(max_retries=1, delay=0.1)


@dg.op(tags=op_tags(gpu=False), retry_policy=AGAIN)
def tried_again(context: dg.OpExecutionContext) -> None:
    context.log.info(f"try {context.retry_number}")


@dg.op(tags=op_tags(gpu=False))
def tried_once() -> None:
    pass


@dg.op(tags=op_tags(gpu=True), retry_policy=AGAIN)
def on_a_gpu() -> None:
    pass


@dg.job(executor_def=k8s_executor())
def evicted() -> None:
    tried_again()


@dg.job(executor_def=k8s_executor())
def killed() -> None:
    tried_once()


@dg.job(executor_def=k8s_executor())
def too_large() -> None:
    on_a_gpu()
