"""Jobs: one source, the global part, and both in one."""

from collections.abc import Callable, Sequence

import dagster as dg

from datasel_assets.defs.dead_runs import PROCESS_TAG, this_process
from datasel_assets.defs.log_progress import log_progress
from datasel_assets.defs.main_job import EVIDENCE, NOBODY, REFRESH_CATALOG, Told, run_main
from datasel_assets.defs.one_at_a_time import MAIN, wait_for_turn
from datasel_assets.defs.op_tags import MAIN_TAG, MAX_RUNTIME_TAG
from datasel_assets.defs.registry_page import is_shown, registry_events
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.tables.dynamics.watched import DYNAMICS
from datasel_assets.tables.ratio.ratio import RATIO
from datasel_assets.tables.runs.effects import RUN_EFFECTS
from datasel_assets.tables.runs.scores import RUN_SCORES
from datasel_assets.tables.runs.series import RUNS
from datasel_assets.tables.selections.proxy_eval import PROXY_EVAL
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


def asset_jobs(assets: Sequence[Table]) -> list:
    """Return the jobs of one partition, of the whole pool, of what comes last, and of what is made on request."""
    per_source = [dg.AssetKey(list(a.key)) for a in assets if a.per_source and not a.on_demand]
    pool = [dg.AssetKey(list(a.key)) for a in assets if not a.per_source and not a.on_demand and not a.comes_last]
    last = [dg.AssetKey(list(a.key)) for a in assets if a.comes_last]
    asked = [dg.AssetKey(list(a.key)) for a in assets if a.on_demand and a.kind is PROXY_EVAL]
    watched = [dg.AssetKey(list(a.key)) for a in assets if a.on_demand and a.kind is DYNAMICS]
    series = [
        dg.AssetKey(list(a.key)) for a in assets if a.on_demand and a.kind in (RUNS, RUN_EFFECTS, RUN_SCORES, RATIO)
    ]
    evidence = dg.define_asset_job(
        EVIDENCE,
        selection=dg.AssetSelection.assets(*asked),
        description="Selections tried out: a small model trained on each, on random rows, on the whole pool.",
        tags={MAX_RUNTIME_TAG: "43200"},
    )
    dynamics = dg.define_asset_job(
        DYNAMICS.name,
        selection=dg.AssetSelection.assets(*watched),
        description="Trainings of which every presentation of every row is remembered.",
        tags={MAX_RUNTIME_TAG: "43200"},
    )
    catalog = dg.define_asset_job(
        REFRESH_CATALOG,
        selection=dg.AssetSelection.assets(*last),
        description="The DuckDB file over all tables as they are now.",
        tags={MAX_RUNTIME_TAG: "7200"},
    )
    runs = dg.define_asset_job(
        RUNS.name,
        selection=dg.AssetSelection.assets(*series),
        description="Trainings on parts of the pool: what each part does to the outcomes, and how much is enough.",
        tags={MAX_RUNTIME_TAG: "43200"},
    )
    return [
        dg.define_asset_job(
            "refresh_source",
            selection=dg.AssetSelection.assets(*per_source),
            description="Everything that is kept per source, for one source: files to vectors.",
            tags={MAX_RUNTIME_TAG: "21600"},
        ),
        dg.define_asset_job(
            "refresh_pool",
            selection=dg.AssetSelection.assets(*pool),
            description="Everything that looks at the whole pool: duplicates, bases, clusters, selections.",
            tags={MAX_RUNTIME_TAG: "7200"},
        ),
        *([catalog] if last else []),
        *([evidence] if asked else []),
        *([dynamics] if watched else []),
        *([runs] if series else []),
    ]


def main_job(
    build: Callable[[Warehouse], tuple[dg.Definitions, Sequence[Table]]],
    told: Told = NOBODY,
) -> dg.JobDefinition:
    """Return the job ``main``: the registry as it is at launch, brought up to date by runs of its own.

    Args:
        build: makes fresh definitions and their table assets for an opened warehouse (given by the floor above, so
            that new registry files count without reloading the code location).
        told: who is told what it does, beside its log.
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

        origin = context.run.remote_job_origin
        with log_progress(log):
            outcome = run_main(
                definitions,
                assets,
                warehouse.open,
                instance,
                on_run=tell,
                origin=origin.repository_origin if origin else None,
            )
        told.on_end(outcome)
        if not outcome.runs:
            log.info(f"nothing to do: {outcome.checked} tables are current")
        if outcome.failures:
            raise dg.Failure(
                description="\n".join(outcome.causes),
                allow_retries=False,
            )

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
