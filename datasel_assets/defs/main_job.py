"""The main job: bring everything up to date, phase by phase, running only what is stale.

Belongs here: launching ordinary Dagster runs, one per source and phase, so that each is seen in the UI, retried and
re-run like any other. Does not belong here: which tables are to be made and in which order (``tables.planning``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from datasel_assets.defs.dead_runs import PROCESS_TAG, end_dead_runs, this_process
from datasel_assets.defs.partitions import SOURCES
from datasel_assets.tables.planning import Pick, lacks_input, phases, stale
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

EVIDENCE = "evidence"
"""The job of the assets that are made on request only."""


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


def run_main(
    definitions: dg.Definitions,
    assets: Sequence[Table],
    open_warehouse: Callable[[], Warehouse],
    instance: dg.DagsterInstance,
    *,
    on_run: Callable[[str, str | None, Sequence[Table]], None] = lambda state, source, assets: None,
    quiet: bool = True,
) -> Outcome:
    """Register the sources, then run every phase over what is stale.

    A table that cannot be made (unreadable file, absent model, too many bad rows) stays as it was and stops only what
    needs it and finds none from before; its failure is in the outcome.

    Raises:
        KeyboardInterrupt: a step was interrupted; what was published before stays, the next call goes on from there.
    """
    end_dead_runs(instance)
    wanted = sorted(open_warehouse().registry.sources)
    missing = set(wanted) - set(instance.get_dynamic_partitions(SOURCES))
    if missing:
        instance.add_dynamic_partitions(SOURCES, sorted(missing))
    outcome = Outcome()
    broken: set[Pick] = set()
    regular = {asset.key: asset for asset in assets if not asset.on_demand}
    turns = [(p, source) for p in phases(list(regular.values())) for source in (wanted if p.per_source else [None])]
    for phase, source in turns:
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
                on_run("start", source, todo)
                failures = _launch(definitions, instance, todo, source, quiet)
                on_run("failed" if failures else "done", source, todo)
                alike = {why: [name for name in failures if failures[name] == why] for why in failures.values()}
                error = "; ".join(f"{', '.join(steps)}: {why}" for why, steps in alike.items()) or None
                names = [asset.name for asset in todo]
                outcome.runs.append({"source": source, "assets": names, "success": error is None, "error": error})
            # The rest is planned again without what failed, which must not keep its siblings' readers from running.
            failed = {(asset.key, source) for asset in phase.tables if asset.name in failures}
            broken |= failed
        outcome.checked += len(phase.tables)
    return outcome


def run_on_demand(
    definitions: dg.Definitions,
    assets: Sequence[Table],
    warehouse: Warehouse,
    instance: dg.DagsterInstance,
    *,
    on_run: Callable[[str, str | None, Sequence[Table]], None] = lambda state, source, assets: None,
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
        failures = _launch(definitions, instance, [asset], None, True, EVIDENCE)
        error = "; ".join(failures.values()) or None
        on_run("failed" if failures else "done", None, [asset])
        outcome.runs.append({"source": None, "assets": [asset.name], "success": error is None, "error": error})
    return outcome


def _launch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[Table],
    source: str | None,
    quiet: bool,
    job_name: str | None = None,
) -> dict[str, str]:
    """Run the assets in this process as a recorded Dagster run; return the failures, asset name to message."""
    job = definitions.resolve_job_def(job_name or ("refresh_source" if source else "refresh_pool"))
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}} if quiet else {}
    keys = {asset.name: dg.AssetKey(list(asset.key)) for asset in assets}
    result = job.execute_in_process(
        instance=instance,
        partition_key=source,
        asset_selection=list(keys.values()),
        raise_on_error=False,
        run_config=config,
        tags={PROCESS_TAG: this_process()},
    )
    steps = {key.to_python_identifier(): name for name, key in keys.items()}
    failures = {}
    for event in result.all_events:
        if event.is_step_failure:
            # Dagster reports Ctrl-C as one more failed step, and the next source would start.
            if "DagsterExecutionInterruptedError" in _message(event.step_failure_data.error):
                raise KeyboardInterrupt
            failures[steps.get(event.step_key or "", str(event.step_key))] = _message(event.step_failure_data.error)
    if not result.success and not failures:
        failures = dict.fromkeys(keys, "the run failed before its first step; see it in the UI")
    return failures


def _message(error: Any) -> str:
    """Return what the step itself raised: what Dagster wraps it into is left out, what caused it is not looked for."""
    while error is not None and error.cause is not None and error.cls_name.startswith(("Dagster", "RetryRequested")):
        error = error.cause
    return error.message.strip() if error is not None else "unknown error"
