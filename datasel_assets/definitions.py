"""The code location: assembles assets, jobs, sensors and resources. Nothing else belongs here."""

import warnings
from collections.abc import Sequence

import dagster as dg

from datasel_assets.defs.assets import to_asset
from datasel_assets.defs.jobs import asset_jobs, main_job
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.defs.sensors import automation_sensor, daily_refresh, sources_sensor
from datasel_assets.settings import Settings, load_settings
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.planning import phases
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """Return fresh definitions for one data folder (default: the one that the environment names)."""
    return assemble(Warehouse(settings or load_settings()))[0]


def assemble(warehouse: Warehouse) -> tuple[dg.Definitions, Sequence[Table]]:
    """Return the definitions for an opened data folder, and the table assets they were made from, upstream first."""
    settings = warehouse.settings
    assets = all_tables(warehouse.registry)
    regular = [asset for asset in assets if not asset.on_demand]
    jobs = [*asset_jobs(assets), main_job(assemble)]
    definitions = dg.Definitions(
        assets=[to_asset(asset) for asset in assets],
        jobs=jobs,
        sensors=[sources_sensor(phases(regular)[0], [jobs[0], jobs[-1]]), automation_sensor()],
        schedules=[daily_refresh],
        resources={"warehouse": WarehouseResource(data=str(settings.data), device=settings.device)},
        # One run is one process: a killed run worker leaves no orphaned step that goes on writing.
        executor=dg.in_process_executor,
    )
    return definitions, assets


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions that Dagster loads."""
    return build_defs()
