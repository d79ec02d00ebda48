"""The main job's runs: ordinary Dagster runs, one per source and phase.

So each is seen in the UI, retried and re-run like any other. Belongs here: partitions as the registry has them, and
what a launched run says of its failures. Does not belong here: which tables are to be made and in which order
(``tables.refresh``), and what a run is (``launch``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import dagster as dg
from dagster._core.origin import RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteRepositoryOrigin

from datasel_assets.costs.plan import Plan
from datasel_assets.defs.failures import cause, skipped_steps
from datasel_assets.defs.partitions import SOURCES
from datasel_assets.launching.dead_runs import end_dead_runs
from datasel_assets.launching.executors import executor_name, runs_at_once
from datasel_assets.launching.launch import carry_out, code_location, leave_logging_alone
from datasel_assets.launching.op_tags import PLAN_TAG
from datasel_assets.launching.submitted import submitted
from datasel_assets.tables.costs.planned_run import PlannedRun
from datasel_assets.tables.planning import EVERYTHING, Only
from datasel_assets.tables.refresh import NOBODY, OnRun, Outcome, make_each, refresh
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

EVIDENCE = "evidence"
"""The job of the assets that are made on request only."""

REFRESH_CATALOG = "refresh_catalog"
"""The job of what comes last."""


def run_main(
    definitions: dg.Definitions,
    assets: Sequence[Table],
    open_warehouse: Callable[[], Warehouse],
    instance: dg.DagsterInstance,
    *,
    on_run: OnRun = NOBODY.on_run,
    on_plan: Callable[[Plan], None] = NOBODY.on_plan,
    origin: RemoteRepositoryOrigin | None = None,
    code: RepositoryPythonOrigin | None = None,
    quiet: bool = True,
    only: Only = EVERYTHING,
) -> Outcome:
    """Make the partitions those of the registry, then bring what is asked for up to date; see ``tables.refresh``.

    Args:
        definitions: of the data folder as it is now.
        assets: its tables, upstream first.
        open_warehouse: opens it anew.
        instance: where runs are recorded.
        on_run: is told of each run.
        on_plan: is told of the plan, once there is something to do.
        origin: the code location that the jobs stand in.
        code: how another process loads it, where runs are submitted; this process carries them out without.
        quiet: runs print nothing.
        only: what is asked for.

    Raises:
        AboveLimitsError: the run would cost more than ``compute.yaml`` allows; nothing was begun.
        KeyboardInterrupt: a step was interrupted; what was published before stays, the next call goes on from there.
    """
    end_dead_runs(instance)
    leave_logging_alone(instance)
    registry = open_warehouse().registry
    wanted = sorted(registry.sources)
    known = set(instance.get_dynamic_partitions(SOURCES))
    if missing := set(wanted) - known:
        instance.add_dynamic_partitions(SOURCES, sorted(missing))
    # A partition without a file could only fail; what is known of its tables comes back with the file.
    for gone in sorted(known - registry.source_names):
        instance.delete_dynamic_partition(SOURCES, gone)
    planned = PlannedRun(open_warehouse, assets, on_plan, only)

    def tell(state: str, source: str | None, tables: Sequence[Table]) -> None:
        planned.name()  # above a limit nothing begins
        on_run(state, source, tables)

    def launch(tables: Sequence[Table], source: str | None) -> dict[str, str]:
        tags = {PLAN_TAG: planned.name()}
        return _launch(definitions, instance, tables, source, origin=origin, code=code, quiet=quiet, tags=tags)

    at_once = runs_at_once(instance, submitted=code is not None)
    return refresh(assets, open_warehouse, wanted, launch, on_run=tell, at_once=at_once, only=only)


def run_on_demand(
    definitions: dg.Definitions,
    assets: Sequence[Table],
    warehouse: Warehouse,
    instance: dg.DagsterInstance,
    *,
    on_run: OnRun = NOBODY.on_run,
) -> Outcome:
    """Run each of some on-demand assets that is not current, one run per asset."""
    end_dead_runs(instance)
    return make_each(assets, warehouse, partial(_launch, definitions, instance, job_name=EVIDENCE), on_run=on_run)


def _launch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[Table],
    source: str | None,
    *,
    origin: RemoteRepositoryOrigin | None = None,
    code: RepositoryPythonOrigin | None = None,
    quiet: bool = True,
    job_name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Run the assets as a recorded Dagster run; return the failures, asset name to message."""
    regular = REFRESH_CATALOG if all(asset.comes_last for asset in assets) else "refresh_pool"
    job = definitions.resolve_job_def(job_name or ("refresh_source" if source else regular))
    keys = {asset.name: dg.AssetKey(list(asset.key)) for asset in assets}
    place, asked = origin or code_location(), list(keys.values())
    if code is not None:
        succeeded, events = submitted(job, instance, place, code, source=source, keys=asked, tags=tags)
    else:
        name = executor_name()
        succeeded, events = carry_out(
            job, instance, place, source=source, keys=asked, quiet=quiet, executor=name, tags=tags
        )
    steps = {key.to_python_identifier(): name for name, key in keys.items()}
    failures = {steps.get(step, step): message for step, message in failed_steps(events).items()}
    if not succeeded and not failures:
        failures = dict.fromkeys(keys, "the run failed before its first step; see it in the UI")
    return failures


def failed_steps(events: Sequence[dg.DagsterEvent]) -> dict[str, str]:
    """Return step -> what it raised; also of those that were skipped for the same reason.

    Raises:
        KeyboardInterrupt: a step was interrupted, which Dagster reports as one more failure.
    """
    failures = {}
    for event in events:
        if event.is_step_failure:
            message = cause(event.step_failure_data.error)
            # What Ctrl-C raises in a step, and what a run within it made of that.
            if message.split(":")[0].endswith(("DagsterExecutionInterruptedError", "KeyboardInterrupt")):
                raise KeyboardInterrupt
            failures[str(event.step_key)] = message
    return failures | skipped_steps(events)
