"""Steps as Kubernetes jobs, none of which waits for ever for a place that no node has.

dagster-k8s asks only whether a job has failed; one whose pod cannot be placed, or whose image cannot be had, is neither
running nor failed. Belongs here: finding those and ending them with an error. Does not belong here: what a step asks
for (``op_tags``), what is tried again (``retries``).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.execution.plan.objects import ErrorSource, StepFailureData
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepHandler, StepHandlerContext
from dagster_shared.error import SerializableErrorInfo

WAITS_S = 60.0
"""Time in which a cluster that grows by itself may make room."""

LOOKS_EVERY_S = 10
"""How often steps are looked at; with the time above, one that waits in vain ends well before two minutes."""

CANNOT_START = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"}
"""Why a container waits for what does not come."""


def k8s_executor() -> dg.ExecutorDefinition:
    """Return the executor of dagster-k8s with its settings, whose steps are watched until they have a place.

    Raises:
        ModuleNotFoundError: dagster-k8s is not installed.
    """
    from dagster_k8s import k8s_job_executor  # pyright: ignore[reportMissingImports]

    make = k8s_job_executor.executor_creation_fn
    assert make is not None

    def watched(context: dg.InitExecutorContext) -> Any:
        made = make(context)
        made._step_handler = PlacedSteps(made._step_handler)  # pyright: ignore[reportAttributeAccessIssue]
        made._check_step_health_interval_seconds = LOOKS_EVERY_S  # pyright: ignore[reportAttributeAccessIssue]
        return made

    return dg.ExecutorDefinition(
        name="k8s",
        config_schema=k8s_job_executor.config_schema,  # pyright: ignore[reportArgumentType]
        requirements=k8s_job_executor._requirements_fn,
        executor_creation_fn=watched,
        description=k8s_job_executor.description,
    )


class PlacedSteps(StepHandler):
    """Hands everything on to the handler of dagster-k8s, and looks at the pods of steps besides."""

    def __init__(self, handler: Any) -> None:
        super().__init__()
        self._handler = handler

    @property
    def name(self) -> str:
        """Return the name of the handler within."""
        return self._handler.name

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Start the job of a step."""
        return self._handler.launch_step(step_handler_context)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Delete the job of a step."""
        return self._handler.terminate_step(step_handler_context)

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Tell whether the job of a step is well; end a step whose pod waits in vain, as another try would."""
        found = self._handler.check_step_health(step_handler_context)
        if found.is_healthy and (why := self._waits_in_vain(step_handler_context)):
            (key,) = step_handler_context.execute_step_args.step_keys_to_execute or [""]
            context = step_handler_context.get_step_context(key)
            list(self.terminate_step(step_handler_context))
            error = SerializableErrorInfo(f"{key} {why}", stack=[], cls_name="PodNotPlaced")
            DagsterEvent.step_failure_event(
                context, StepFailureData(error, user_failure_data=None, error_source=ErrorSource.FRAMEWORK_ERROR)
            )
        return found

    def _waits_in_vain(self, context: StepHandlerContext) -> str | None:
        namespace = self._handler._get_container_context(context).namespace
        job = self._handler._get_k8s_step_job_name(context)
        reasons = [why_it_waits(pod) for pod in self._handler._api_client.get_pods_in_job(job, namespace)]
        return next((why for why in reasons if why), None)


def why_it_waits(pod: Any, now: datetime | None = None) -> str | None:
    """Return why a pod waits for what does not come; None where it does not, or not for long.

    Args:
        pod: as the client of Kubernetes describes it.
        now: the time, where it is another.
    """
    waited = ((now or datetime.now(UTC)) - pod.metadata.creation_timestamp).total_seconds()
    if pod.status.phase != "Pending" or waited < WAITS_S:
        return None
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason == "Unschedulable":
            asked = ", ".join(sorted(_asked(pod))) or "nothing"
            return (
                f"has waited {waited:.0f} s for a node: {condition.message}. It asks for {asked}: add such a node, or "
                "ask for less (step_k8s_config in the run config, DATASEL_DEVICE=cpu for no GPU)"
            )
    for status in pod.status.container_statuses or []:
        waiting = status.state and status.state.waiting
        if waiting and waiting.reason in CANNOT_START:
            return f"cannot start after {waited:.0f} s: {waiting.reason}: {waiting.message or status.image}"
    return None


def _asked(pod: Any) -> Iterator[str]:
    for container in pod.spec.containers:
        resources = container.resources
        for name, amount in {**(resources.limits or {}), **(resources.requests or {})}.items() if resources else ():
            yield f"{name}: {amount}"
