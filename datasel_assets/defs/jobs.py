"""Jobs: one source, the global part, and both in one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from datasel_assets import progress
from datasel_assets.costs.plan import Plan, in_words
from datasel_assets.defs.main_job import EVIDENCE, REFRESH_CATALOG, run_main
from datasel_assets.defs.registry_page import is_shown, registry_events
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.launching.dead_runs import PROCESS_TAG
from datasel_assets.launching.one_at_a_time import MAIN, wait_for_turn
from datasel_assets.launching.op_tags import MAIN_TAG, MAX_RUNTIME_TAG
from datasel_assets.launching.submitted import has_places
from datasel_assets.storage.processes import this_process
from datasel_assets.tables.planning import EVERYTHING, Only
from datasel_assets.tables.refresh import NOBODY, Told
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


@dataclass(frozen=True)
class _Job:
    """A job over all tables that ``takes`` says yes to; absent where there are none, unless it is ``always`` there."""

    name: str
    description: str
    hours: int
    takes: Callable[[Table], bool]
    always: bool = False


def _on_request(name: str, description: str) -> _Job:
    return _Job(name, description, 12, lambda table: table.on_demand and table.kind.job == name)


JOBS = (
    _Job(
        "refresh_source",
        "Everything that is kept per source, for one source: files to vectors.",
        6,
        lambda table: table.per_source and not table.on_demand,
        always=True,
    ),
    _Job(
        "refresh_pool",
        "Everything that looks at the whole pool: duplicates, bases, clusters, selections.",
        2,
        lambda table: not (table.per_source or table.on_demand or table.comes_last),
        always=True,
    ),
    _Job(REFRESH_CATALOG, "The DuckDB file over all tables as they are now.", 2, lambda table: table.comes_last),
    _on_request(EVIDENCE, "Selections tried out: a small model trained on each, on random rows, on the whole pool."),
    _on_request("dynamics", "Trainings of which every presentation of every row is remembered."),
    _on_request("runs", "Trainings on parts of the pool: what each part does to the outcomes, and how much is enough."),
)


def asset_jobs(assets: Sequence[Table]) -> list:
    """Return the jobs of one partition, of the whole pool, of what comes last, and of what is made on request."""
    found = []
    for job in JOBS:
        keys = [dg.AssetKey(list(table.key)) for table in assets if job.takes(table)]
        if keys or job.always:
            found.append(
                dg.define_asset_job(
                    job.name,
                    selection=dg.AssetSelection.assets(*keys),
                    description=job.description,
                    tags={MAX_RUNTIME_TAG: str(job.hours * 3600)},
                )
            )
    return found


def main_job(
    build: Callable[[Warehouse], tuple[dg.Definitions, Sequence[Table]]],
    told: Told = NOBODY,
    only: Only = EVERYTHING,
) -> dg.JobDefinition:
    """Return the job ``main``: the registry as it is at launch, brought up to date by runs of its own.

    Args:
        build: makes fresh definitions and their table assets for an opened warehouse (given by the floor above, so
            that new registry files count without reloading the code location).
        told: who is told what it does, beside its log.
        only: what of it is carried out.
    """

    @dg.op(description="Runs every stale asset, source by source and phase by phase, as runs of their own.")
    def bring_up_to_date(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
        instance, log = context.instance, context.log
        instance.add_run_tags(context.run_id, {PROCESS_TAG: this_process()})

        def wait(what: str) -> None:
            log.info(what)
            told.on_wait(what)

        wait_for_turn(instance, context.run_id, wait)
        opened = warehouse.open()
        if not is_shown(instance, opened.registry):
            for event in registry_events(opened):
                instance.report_runless_asset_event(event)
        definitions, assets = build(opened)

        def tell(state: str, source: str | None, run: Sequence[Table]) -> None:
            log.info(f"{state}: {source or 'pool'}: {', '.join(asset.name for asset in run)}")
            told.on_run(state, source, run)

        def expect(plan: Plan) -> None:
            log.info(in_words(plan))
            told.on_plan(plan)

        origin, code = context.run.remote_job_origin, context.run.job_code_origin
        with progress.log_progress(log):
            outcome = run_main(
                definitions,
                assets,
                warehouse.open,
                instance,
                on_run=tell,
                on_plan=expect,
                origin=origin.repository_origin if origin else None,
                code=code.repository_origin if code and has_places(instance) else None,
                only=only,
            )
        told.on_end(outcome)
        if not outcome.runs:
            log.info(f"nothing to do: {outcome.checked} tables are current")
        if outcome.failures:
            raise dg.Failure("\n".join(outcome.causes), allow_retries=False)

    @dg.job(
        name=MAIN,
        description="From source datasets to released subsets: what `make run` does, for the launch button.",
        tags={MAX_RUNTIME_TAG: "43200", **MAIN_TAG},
        # It only launches runs, whose steps are carried out wherever the executor has its place.
        executor_def=dg.in_process_executor,
    )
    def main() -> None:
        bring_up_to_date()

    return main
