"""What a step that fails says: the cause in one sentence, once in each run.

Twenty selections that read one absent table fail for one reason. The first of them fails, the others are skipped with
that reason on their pages. Belongs here: the cause, who failed for the same reason before, and what a run says of
both. Does not belong here: what is tried again (``retries``), and what the main job makes of failures (``main_job``).
"""

import sys
from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._utils.error import serializable_error_info_from_exc_info

SKIPPED = "skipped"
"""Metadata of the observation on a table that was skipped: the reason."""

_WRAPPERS = ("Dagster", "RetryRequested", "Failure")


def cause(error: Any) -> str:
    """Return what a step itself raised: what it is wrapped into is left out, what caused it is not looked for.

    Args:
        error: as Dagster records it.
    """
    while error is not None and error.cause is not None and error.cls_name.startswith(_WRAPPERS):
        error = error.cause
    return error.message.strip() if error is not None else "unknown error"


def cause_now() -> str:
    """Return the cause of the exception that is being handled, in the words in which it will be recorded."""
    return cause(serializable_error_info_from_exc_info(sys.exc_info()))


def failed_alike(instance: dg.DagsterInstance, run_id: str, why: str) -> str | None:
    """Return the step of a run that failed for the same reason already; None where there is none."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is not None and cause(event.step_failure_data.error) == why:
            return event.step_key
    return None


def skipped_steps(events: Sequence[dg.DagsterEvent]) -> dict[str, str]:
    """Return step -> reason of those that were skipped because another had failed for it."""
    found = {}
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION:
            said = event.asset_observation_data.asset_observation.metadata.get(SKIPPED)
            if said is not None:
                found[str(event.step_key)] = str(said.value)
    return found
