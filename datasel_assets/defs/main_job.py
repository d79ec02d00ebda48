"""The main job: bring everything up to date, phase by phase, running only what is stale.

Belongs here: the order of runs and what is skipped. Does not belong here: what any asset computes.
The pure part (:func:`phases`, :func:`stale`) decides; :func:`run_main` launches ordinary Dagster runs, one per source
and phase, so that each is seen in the UI, retried and re-run like any other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from datasel_assets.defs.partitions import SOURCES
from datasel_assets.defs.reap import PROCESS_TAG, reap_dead_runs, this_process
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.table_asset import TableAsset

EVIDENCE = "evidence"
"""The job of the assets that are made on request only."""


@dataclass(frozen=True)
class Phase:
    """Assets that one run (per source, when partitioned) can materialise together, upstream first."""

    partitioned: bool
    assets: tuple[TableAsset, ...]


@dataclass
class Outcome:
    """What the main job did.

    Attributes:
        runs: one entry per launched run: source or None, asset names, success, error text.
        checked: number of (asset, source) pairs whose state was looked at.
    """

    runs: list[dict[str, Any]] = field(default_factory=list)
    checked: int = 0

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Return the runs that failed."""
        return [run for run in self.runs if not run["success"]]


def phases(assets: Sequence[TableAsset]) -> list[Phase]:
    """Cut the graph into alternating phases of per-source and global assets.

    A per-source table may need a global one (the whitening basis) that needs per-source tables (the moments), so no
    single run can hold everything. Each phase takes all assets of its kind whose inputs are ready.
    """
    waiting, done, found, partitioned = list(assets), set(), [], True
    while waiting:
        chosen: list[TableAsset] = []
        progressed = True
        while progressed:
            progressed = False
            for asset in list(waiting):
                if asset.partitioned == partitioned and set(asset.deps) <= done:
                    chosen.append(asset)
                    waiting.remove(asset)
                    done.add(asset.key)
                    progressed = True
        if chosen:
            found.append(Phase(partitioned, tuple(chosen)))
        elif found and found[-1].partitioned != partitioned and not any(set(a.deps) <= done for a in waiting):
            raise ValueError(f"assets wait for tables that nobody makes: {[a.name for a in waiting]}")
        partitioned = not partitioned
    return found


def stale(phase: Phase, warehouse: Warehouse, source: str | None) -> list[TableAsset]:
    """Return the assets of a phase that are not current, with everything of the phase that reads them."""
    found: list[TableAsset] = []
    for asset in phase.assets:
        behind = {other.key for other in found}
        if behind & set(asset.deps) or not asset.is_current(warehouse, source):
            found.append(asset)
    return found


def run_main(
    definitions: dg.Definitions,
    assets: Sequence[TableAsset],
    open_warehouse: Callable[[], Warehouse],
    instance: dg.DagsterInstance,
    *,
    on_run: Callable[[str, str | None, Sequence[TableAsset]], None] = lambda state, source, assets: None,
    quiet: bool = True,
) -> Outcome:
    """Register the sources, then run every phase over what is stale.

    A source that fails (unreadable file, too many bad rows) keeps its old tables and does not stop the others; its
    failure is in the outcome.

    Raises:
        KeyboardInterrupt: a step was interrupted; what was published before stays, the next call goes on from there.
    """
    reap_dead_runs(instance)
    warehouse = open_warehouse()
    wanted = sorted(warehouse.registry.sources)
    missing = set(wanted) - set(instance.get_dynamic_partitions(SOURCES))
    if missing:
        instance.add_dynamic_partitions(SOURCES, sorted(missing))
    outcome = Outcome()
    failed_sources: set[str] = set()
    for phase in phases([asset for asset in assets if not asset.on_demand]):
        for source in wanted if phase.partitioned else [None]:
            if source in failed_sources:
                continue
            broken: set[tuple[str, ...]] = set()
            while True:
                todo, error = _plan(phase, open_warehouse(), source)
                todo = [asset for asset in todo if asset.key not in broken]
                if not todo and error is None:
                    break
                names = [asset.name for asset in todo]
                failures: dict[str, str] = {}
                if todo:
                    on_run("start", source, todo)
                    failures = _launch(definitions, instance, todo, source, quiet)
                    error = "; ".join(f"{name}: {message}" for name, message in failures.items()) or None
                    on_run("failed" if failures else "done", source, todo)
                    broken |= {asset.key for asset in todo if asset.name in failures}
                outcome.runs.append({"source": source, "assets": names, "success": error is None, "error": error})
                # A global asset that failed must not keep its siblings' readers (comparison, catalog) from running:
                # the rest is launched again without it. A source that failed is left out of the later phases.
                if error is None or source or not any(asset.name in failures for asset in todo):
                    break
            if source and error is not None:
                failed_sources.add(source)
            outcome.checked += len(phase.assets)
    return outcome


def run_on_demand(
    definitions: dg.Definitions,
    assets: Sequence[TableAsset],
    warehouse: Warehouse,
    instance: dg.DagsterInstance,
    *,
    on_run: Callable[[str, str | None, Sequence[TableAsset]], None] = lambda state, source, assets: None,
) -> Outcome:
    """Run each of some on-demand assets that is not current, one run per asset."""
    reap_dead_runs(instance)
    outcome = Outcome(checked=len(assets))
    for asset in assets:
        if asset.is_current(warehouse, None):
            continue
        on_run("start", None, [asset])
        failures = _launch(definitions, instance, [asset], None, True, EVIDENCE)
        error = "; ".join(failures.values()) or None
        on_run("failed" if failures else "done", None, [asset])
        outcome.runs.append({"source": None, "assets": [asset.name], "success": error is None, "error": error})
    return outcome


def _plan(phase: Phase, warehouse: Warehouse, source: str | None) -> tuple[list[TableAsset], str | None]:
    """Return what is stale, or why that cannot be told (a source whose files cannot be listed)."""
    try:
        return stale(phase, warehouse, source), None
    except Exception as error:
        return [], str(error)


def _launch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[TableAsset],
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
        failures[", ".join(keys)] = "the run failed before its first step; see it in the UI"
    return failures


def _message(error: Any) -> str:
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "unknown error"
