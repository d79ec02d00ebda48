"""Jobs: one source, the global part, and both in one."""

from collections.abc import Callable, Sequence

import dagster as dg

from datasel_assets.defs.main_job import EVIDENCE, run_main
from datasel_assets.defs.op_tags import MAX_RUNTIME_TAG
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


def asset_jobs(assets: Sequence[Table]) -> list:
    """Return ``refresh_source`` (one partition), ``refresh_pool`` (everything global), ``evidence`` (on request)."""
    per_source = [dg.AssetKey(list(a.key)) for a in assets if a.per_source]
    pool = [dg.AssetKey(list(a.key)) for a in assets if not a.per_source and not a.on_demand]
    asked = [dg.AssetKey(list(a.key)) for a in assets if a.on_demand]
    evidence = dg.define_asset_job(
        EVIDENCE,
        selection=dg.AssetSelection.assets(*asked),
        description="Selections tried out: a small model trained on each, on random rows, on the whole pool.",
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
            description="Everything that looks at the whole pool: duplicates, bases, clusters, selections, catalog.",
            tags={MAX_RUNTIME_TAG: "7200"},
        ),
        *([evidence] if asked else []),
    ]


def main_job(build: Callable[[Warehouse], tuple[dg.Definitions, Sequence[Table]]]) -> dg.JobDefinition:
    """Return the job ``main``: the registry as it is at launch, brought up to date by runs of its own.

    Args:
        build: makes fresh definitions and their table assets for an opened warehouse (given by the floor above, so
            that new registry files count without reloading the code location).
    """

    @dg.op(description="Runs every stale asset, source by source and phase by phase, as runs of their own.")
    def bring_up_to_date(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
        definitions, assets = build(warehouse.open())
        outcome = run_main(
            definitions,
            assets,
            warehouse.open,
            context.instance,
            on_run=lambda state, source, run: context.log.info(f"{state}: {source or 'pool'}: {[a.name for a in run]}"),
        )
        if not outcome.runs:
            context.log.info(f"nothing to do: {outcome.checked} tables are current")
        if outcome.failures:
            raise dg.Failure(
                description="\n".join(f"{run['source'] or 'pool'}: {run['error']}" for run in outcome.failures),
                allow_retries=False,
            )

    @dg.job(
        name="main",
        description="From source datasets to released subsets: what `make run` does, for the launch button.",
        tags={MAX_RUNTIME_TAG: "43200"},
    )
    def main() -> None:
        bring_up_to_date()

    return main
