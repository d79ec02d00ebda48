"""The main job: bring everything up to date, phase by phase, running only what is stale.

Belongs here: launching ordinary Dagster runs, one per source and phase, so that each is seen in the UI, retried and
re-run like any other. Does not belong here: which tables are to be made and in which order (``tables.planning``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.origin import RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteRepositoryOrigin

from datasel_assets.costs.plan import Plan
from datasel_assets.defs.dead_runs import end_dead_runs
from datasel_assets.defs.executors import executor_name
from datasel_assets.defs.failures import cause, skipped_steps
from datasel_assets.defs.launch import carry_out, code_location
from datasel_assets.defs.partitions import SOURCES
from datasel_assets.defs.planned_run import PlannedRun
from datasel_assets.defs.side_by_side import leave_logging_alone, runs_at_once, side_by_side
from datasel_assets.defs.submitted import submitted
from datasel_assets.tables.planning import Phase, Pick, lacks_input, regular_phases, stale
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

OnRun = Callable[[str, str | None, Sequence[Table]], None]
"""Is told of each run: ``start``, ``done`` or ``failed``, for which source, which assets."""


@dataclass(frozen=True)
class Told:
    """Who is told what the main job does.

    Attributes:
        on_run: of each run that it makes.
        on_end: of the outcome.
        on_wait: that it waits, and what for.
        on_plan: of what it will do, before it begins; not where there is nothing to do.
    """

    on_run: OnRun = lambda state, source, assets: None
    on_end: Callable[["Outcome"], None] = lambda outcome: None
    on_wait: Callable[[str], None] = lambda what: None
    on_plan: Callable[[Plan], None] = lambda plan: None


NOBODY = Told()

EVIDENCE = "evidence"
"""The job of the assets that are made on request only."""

REFRESH_CATALOG = "refresh_catalog"
"""The job of what comes last."""


@dataclass
class Outcome:
    """What the main job did.

    Attributes:
        runs: one entry per launched run, and per asset whose inputs cannot be looked at: source or None, asset names,
            success, error text.
        checked: number of (asset, source) pairs whose state was looked at.
        waiting: assets that were not tried, for want of a table that failed and has never been made.
    """

    runs: list[dict[str, Any]] = field(default_factory=list)
    checked: int = 0
    waiting: list[tuple[Table, str | None]] = field(default_factory=list)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Return the runs that failed."""
        return [run for run in self.runs if not run["success"]]

    @property
    def causes(self) -> list[str]:
        """Return what failed and why, each reason once: a line that names the sources, the tables and the cause."""
        alike: dict[str, list[str]] = {}
        for run in self.failures:
            alike.setdefault(run["error"], []).append(run["source"] or "pool")
        return [f"{', '.join(dict.fromkeys(where))}: {error}" for error, where in alike.items()]


def run_main(
    definitions: dg.Definitions,
    assets: Sequence[Table],
    open_warehouse: Callable[[], Warehouse],
    instance: dg.DagsterInstance,
    *,
    on_run: OnRun = lambda state, source, assets: None,
    on_plan: Callable[[Plan], None] = lambda plan: None,
    origin: RemoteRepositoryOrigin | None = None,
    code: RepositoryPythonOrigin | None = None,
    quiet: bool = True,
) -> Outcome:
    """Make the partitions those of the registry, then run every phase over what is stale.

    A table that cannot be made (unreadable file, absent model, too many bad rows) stays as it was and stops only what
    needs it and finds none from before; its failure is in the outcome.

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
    outcome = Outcome()
    broken: set[Pick] = set()
    regular = {asset.key: asset for asset in assets if not asset.on_demand}
    planned = PlannedRun(open_warehouse, assets, on_plan)

    def bring_up_to_date(phase: Phase, source: str | None) -> None:
        failed = True
        while failed:
            warehouse = open_warehouse()
            for asset in phase.tables:
                if (asset.key, source) not in broken and lacks_input(
                    asset, source, regular, wanted, broken, warehouse.lake
                ):
                    broken.add((asset.key, source))
                    outcome.waiting.append((asset, source))
            todo, failures = stale(phase, warehouse, source, broken)
            for name, error in failures.items():
                outcome.runs.append({"source": source, "assets": [name], "success": False, "error": error})
            if todo and not failures:
                tags = planned.tags()
                on_run("start", source, todo)
                failures = _launch(definitions, instance, todo, source, origin, quiet, tags=tags, code=code)
                on_run("failed" if failures else "done", source, todo)
                alike = {why: [name for name in failures if failures[name] == why] for why in failures.values()}
                error = "; ".join(f"{', '.join(steps)}: {why}" for why, steps in alike.items()) or None
                names = [asset.name for asset in todo]
                outcome.runs.append({"source": source, "assets": names, "success": error is None, "error": error})
            # The rest is planned again without what failed, which must not keep its siblings' readers from running.
            failed = {(asset.key, source) for asset in phase.tables if asset.name in failures}
            broken.update(failed)

    for phase in regular_phases(assets):
        sources = wanted if phase.per_source else [None]
        side_by_side(partial(bring_up_to_date, phase), sources, runs_at_once(instance, submitted=code is not None))
        outcome.checked += len(phase.tables) * len(sources)
    return outcome


def run_on_demand(
    definitions: dg.Definitions,
    assets: Sequence[Table],
    warehouse: Warehouse,
    instance: dg.DagsterInstance,
    *,
    on_run: OnRun = lambda state, source, assets: None,
) -> Outcome:
    """Run each of some on-demand assets that is not current, one run per asset."""
    end_dead_runs(instance)
    outcome = Outcome(checked=len(assets))
    for asset in assets:
        try:
            if asset.is_current(warehouse, None):
                continue
        except Exception as error:  # what it is made from cannot be looked at
            outcome.runs.append({"source": None, "assets": [asset.name], "success": False, "error": str(error)})
            continue
        on_run("start", None, [asset])
        failures = _launch(definitions, instance, [asset], None, None, True, EVIDENCE)
        error = "; ".join(failures.values()) or None
        on_run("failed" if failures else "done", None, [asset])
        outcome.runs.append({"source": None, "assets": [asset.name], "success": error is None, "error": error})
    return outcome


def _launch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[Table],
    source: str | None,
    origin: RemoteRepositoryOrigin | None,
    quiet: bool,
    job_name: str | None = None,
    tags: Mapping[str, str] | None = None,
    code: RepositoryPythonOrigin | None = None,
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
